"""Internal: model packs, the contract of runtime and toolchain.

Manifests, digests, signatures, and the checks that files pass before native code sees them.
"""

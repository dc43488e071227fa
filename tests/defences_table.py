# ruff: noqa: E501 - code of other files, in one piece
"""Defences by the test that SECURITY.md names for each, and how to switch one off.

A text of a file is replaced by another. The text has to stand there exactly once; what is put in
its place has to be what somebody could do by mistake, as small as it can be.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Defence:
    """One defence.

    Attributes:
        test: as SECURITY.md names it.
        what: what is switched off.
        file: from the root of the repository.
        old: stands there once.
        new: takes its place.
        case: the test's parameters, where one will do.
    """

    test: str
    what: str
    file: str
    old: str
    new: str
    case: str = ""


_VAULT = "edge_rerank/history/vault"

DEFENCES: tuple[Defence, ...] = (
    Defence(
        "tests/test_quiet.py::test_a_session_opens_no_socket_and_writes_only_its_history",
        "telemetry off",
        "edge_rerank/_telemetry.py",
        '    os.environ[_VARIABLE] = "1"\n',
        "    os.environ.pop(_VARIABLE, None)\n",
    ),
    Defence(
        "tests/history/test_store.py::test_published_vectors",
        "the reduction of the mask",
        "edge_rerank/history/crypto.py",
        "doubled ^ 0x87",
        "doubled ^ 0x86",
    ),
    Defence(
        "tests/history/test_sealing.py::test_accumulated_vectors",
        "the second half of the derived key",
        "edge_rerank/history/crypto.py",
        r'_LABEL_2 = b"\x00\x02X\x00"',
        r'_LABEL_2 = b"\x00\x01X\x00"',
    ),
    Defence(
        "tests/privacy/test_canaries.py::test_canaries_are_nowhere",
        "the pseudonym",
        f"{_VAULT}/people.py",
        'derive(self._pseudonym_key, "user", user.encode())[:PSEUDONYM_BYTES]',
        "user.encode().ljust(PSEUDONYM_BYTES)[:PSEUDONYM_BYTES]",
    ),
    Defence(
        "tests/privacy/test_canaries.py::test_canaries_are_nowhere",
        "errors without content",
        f"{_VAULT}/consents.py",
        '"purpose: expected 1 to 64 of A-Z a-z 0-9 . _ -, got something else"',
        'f"purpose: expected 1 to 64 of A-Z a-z 0-9 . _ -, got {purpose}"',
    ),
    Defence(
        "tests/history/test_store.py::test_unsealed_values_cannot_be_inserted",
        "the check of a sealed event's size",
        f"{_VAULT}/schema.py",
        "sealed BLOB NOT NULL CHECK (length(sealed) IN ({_SIZES})),\n        PRIMARY KEY (person",
        "sealed BLOB NOT NULL,\n        PRIMARY KEY (person",
    ),
    Defence(
        "tests/history/test_store.py::test_tampering_is_detected",
        "the sum over a person's rows",
        f"{_VAULT}/rows.py",
        "count != person.count or total % MODULUS != person.total or last > person.last_seq",
        "False",
        "a row is dropped",
    ),
    Defence(
        "tests/history/test_store.py::test_tampering_is_detected",
        "the comparison of the index",
        f"{_VAULT}/rows.py",
        "total % MODULUS != person.total or",
        "",
        "a duplicate's mark is changed",
    ),
    Defence(
        "tests/history/test_store.py::test_tampering_is_detected",
        "the sum over the heads",
        f"{_VAULT}/people.py",
        "if total % MODULUS != root.sums[bucket]:",
        "if total < 0:",
        "a person is removed",
    ),
    Defence(
        "tests/history/test_rights.py::test_any_edit_of_the_audit_log_shows",
        "the number of audit entries in the root",
        f"{_VAULT}/audit.py",
        "if len(entries) != root.audited or previous != root.audit_tip:",
        "if len(entries) > root.audited:",
        "last",
    ),
    Defence(
        "tests/history/test_rights.py::test_an_entry_of_a_copy_that_went_another_way_shows",
        "the chain of audit entries",
        f"{_VAULT}/audit.py",
        "if chained != previous or seq != len(entries):",
        "if seq != len(entries):",
    ),
    Defence(
        "tests/history/test_rights.py::test_notes_cannot_be_put_back",
        "the sum over the notes",
        f"{_VAULT}/notes.py",
        "if total % MODULUS != root.notes:",
        "if total < 0:",
    ),
    Defence(
        "tests/fault/test_damage.py::test_every_byte_of_a_file_inverted_in_turn",
        "the type of what a damaged page makes SQLite raise",
        f"{_VAULT}/file.py",
        'raise HistoryCorrupt(f"the history file is damaged: {name}") from None',
        "raise",
    ),
    Defence(
        "tests/fault/test_damage.py::test_one_bit_of_a_sealed_value_in_the_file",
        "authentication",
        "edge_rerank/history/crypto.py",
        "unpad(AESGCM(key).decrypt(value[start + 12 : end], value[end:], context))",
        'unpad(Cipher(algorithms.AES256(key), modes.CTR(value[start + 12 : end] + b"\\0\\0\\0\\2"))'
        ".decryptor().update(value[end:-TAG_BYTES]))",
        "events.sealed",
    ),
    Defence(
        "tests/fault/test_kill.py::test_nothing_acknowledged_is_lost",
        "both keys while the outer key is replaced",
        f"{_VAULT}/rotation.py",
        "    added = vault.add_outer(new)\n",
        "    added = vault.add_outer(new)\n    vault.keep_outer(added)\n",
        "rotate",
    ),
    Defence(
        "tests/fault/test_power_cut.py::test_nothing_acknowledged_is_lost",
        "a sync at every commit",
        f"{_VAULT}/file.py",
        "synchronous = FULL",
        "synchronous = NORMAL",
    ),
    Defence(
        "tests/fault/test_refused.py::test_acknowledged_events_survive_and_work_goes_on",
        "the type of what SQLite raises",
        f"{_VAULT}/file.py",
        'raise HistoryUnavailable(f"the history file cannot be used: {name}") from None',
        "raise",
        "ENOSPC",
    ),
    Defence(
        "tests/fault/test_refused.py::test_ranking_goes_on_and_says_what_it_lacks",
        "ranking without history",
        "edge_rerank/reranker.py",
        "return (), (Degradation.HISTORY_UNAVAILABLE,)",
        "raise",
        "ENOSPC",
    ),
    Defence(
        "tests/history/test_rights.py::test_what_has_expired_is_in_no_file_any_more",
        "the emptied log after a sweep",
        f"{_VAULT}/expiry.py",
        "break\n        _note(change, removed)\n    if removed:",
        "break\n        _note(change, removed)\n    if not removed:",
    ),
    Defence(
        "tests/history/test_rights.py::test_what_the_old_outer_key_wrapped_is_in_no_file_any_more",
        "the emptied log after a rotation",
        f"{_VAULT}/vault.py",
        "        self.keybook.settled(outer_id)\n        self.file.empty_log()\n",
        "        self.keybook.settled(outer_id)\n",
    ),
    Defence(
        "tests/history/test_rights.py::test_what_was_erased_is_in_no_file_any_more",
        "the emptied log after an erasure",
        f"{_VAULT}/rights.py",
        "    vault.file.empty_log()\n    if source.replaceable:",
        "    if source.replaceable:",
    ),
    Defence(
        "tests/history/test_store.py::test_a_wrong_key_changes_not_a_byte",
        "the commitment to the outer key",
        f"{_VAULT}/keybook.py",
        "if same(commitment, bytes(known)):",
        "if len(commitment) == len(bytes(known)):",
    ),
    Defence(
        "tests/history/test_rights.py::test_a_wrong_key_leaves_a_crashed_file_as_it_is",
        "leaving a log where it is",
        f"{_VAULT}/file.py",
        "        self.db.conn.interrupt()\n",
        "",
    ),
    Defence(
        "tests/history/test_keys.py::test_words_that_a_file_is_not_committed_to_open_nothing",
        "the commitment to the passphrase",
        "edge_rerank/history/keys/passphrase.py",
        'if not same(commitment, derive(stretched, "commitment", salt)):',
        "if not commitment:",
    ),
    Defence(
        "tests/history/test_store.py::test_an_old_copy_yields_nothing_after_erasure",
        "the rotation after an erasure",
        f"{_VAULT}/rights.py",
        "    if source.replaceable:\n        rotate_outer(vault, source)\n    return ErasureReceipt(events",
        "    return ErasureReceipt(events",
    ),
    Defence(
        "tests/history/test_store.py::test_a_second_process_is_told_within_a_second",
        "the exclusive lock",
        f"{_VAULT}/file.py",
        "PRAGMA locking_mode = EXCLUSIVE",
        "PRAGMA locking_mode = NORMAL",
    ),
    Defence(
        "tests/history/test_format.py::test_a_second_reader_reads_a_real_file",
        "a label of the format",
        f"{_VAULT}/keybook.py",
        'derive(key, "commitment", self._binding.store)',
        'derive(key, "commit", self._binding.store)',
    ),
    Defence(
        "tests/privacy/test_scrub.py::test_nothing_unscrubbed_is_sealed",
        "scrubbing before sealing",
        "edge_rerank/history/recording.py",
        "self._scrubber.clean(clean(event, now=now))",
        "clean(event, now=now)",
    ),
    Defence(
        "tests/privacy/test_scrub.py::test_recall_is_99_percent_for_every_kind_and_97_for_every_form",
        "the rule for e-mail addresses",
        "edge_rerank/privacy/find.py",
        "    yield from _find_emails(shadow)\n",
        "",
    ),
    Defence(
        "tests/privacy/test_scrub.py::test_recall_of_tokens_is_99_percent",
        "the look for random strings",
        "edge_rerank/privacy/find.py",
        "if _tokens.random_part(run[0]):",
        "if not run[0]:",
    ),
    Defence(
        "tests/privacy/test_scrub.py::test_at_most_2_percent_of_benign_queries_are_changed",
        "what tells words from random strings",
        "edge_rerank/privacy/find.py",
        "if _tokens.random_part(run[0]):",
        "if run[0]:",
    ),
    Defence(
        "tests/compliance/test_report.py::test_kinds_left_in_are_noted_in_the_store_and_owed",
        "the note of the kinds left in",
        "edge_rerank/history/recording.py",
        "        self._note_kept_kinds()\n        self._store",
        "        self._store",
    ),
    Defence(
        "tests/privacy/test_scrub.py::test_time_grows_with_the_text_and_no_faster",
        "the bound on a secret's length",
        "edge_rerank/privacy/tokens.py",
        'r"[\\"\']?(?:[ ]?(?:is|ist|为|是))?[ ]?[=:][ ]?[\\"\']?([^\\x00- \\"\',;]{8,512})"',
        'r"[\\"\']?(?:[ ]?(?:is|ist|为|是))?[ ]?[=:][ ]?[\\"\']?([^\\x00- \\"\',;]{8,})"',
        "token=",
    ),
    Defence(
        "tests/privacy/test_scrub.py::test_time_is_kept_to_the_second",
        "the cut of a second's parts",
        f"{_VAULT}/codec.py",
        "timestamp=float(int(event.timestamp or 0.0))",
        "timestamp=float(event.timestamp or 0.0)",
    ),
    Defence(
        "tests/packs/test_hostile_packs.py::test_folder_is_refused",
        "following no link",
        "edge_rerank/packs/pack.py",
        'flags |= getattr(os, "O_NOFOLLOW", 0)',
        "flags |= 0",
        "a symbolic link",
    ),
    Defence(
        "tests/packs/test_hostile_packs.py::test_folder_is_refused",
        "the hash of a file",
        "edge_rerank/packs/pack.py",
        "if len(content) != entry.size or sha256(content).hexdigest() != entry.sha256:",
        "if len(content) != entry.size:",
        "a wrong digest",
    ),
    Defence(
        "tests/packs/test_hostile_packs.py::test_model_is_refused_though_signed",
        "the list of operators",
        "edge_rerank/packs/onnx_check.py",
        "if operator not in allowed:",
        "if not operator:",
        "an unknown operator",
    ),
    Defence(
        "tests/packs/test_hostile_packs.py::test_model_is_refused_though_signed",
        "data in the file alone",
        "edge_rerank/packs/onnx_check.py",
        "if 13 in tensor or tensor.integer(14) != 0:",
        "if False:",
        "external data beside raw data",
    ),
    Defence(
        "tests/packs/test_hostile_packs.py::test_tokenizer_is_refused_though_signed",
        "the list of patterns",
        "edge_rerank/packs/tokenizer_check.py",
        'if not plain and not (kind == "Regex" and text in _PATTERNS):',
        'if not plain and kind != "Regex":',
        "a catastrophic pattern",
    ),
    Defence(
        "tests/packs/test_hostile_packs.py::test_a_release_older_than_the_newest_seen_is_refused",
        "the oldest release",
        "edge_rerank/packs/pack.py",
        "if manifest.release < oldest:",
        "if manifest.release < 1:",
    ),
    Defence(
        "tests/packs/test_hostile_packs.py::test_the_history_remembers_the_newest_release_across_restarts",
        "the memory of releases",
        "edge_rerank/history/releases.py",
        "    store.write_note(NOTE, content)\n",
        "    del content\n",
    ),
    Defence(
        "tests/packs/test_hostile_packs.py::test_what_passes_is_read_the_same_by_the_onnx_package",
        "dimensions that fit the data",
        "edge_rerank/packs/onnx_check.py",
        "    if not there:\n",
        "    if elements < 0:\n",
    ),
    Defence(
        "tests/export/test_sign.py::test_no_private_key_is_in_the_repository",
        "a key in the sources",
        "export/edge_rerank_export/packing/sign.py",
        "from __future__ import annotations\n",
        "from __future__ import annotations\n\n# -----BEGIN PRIVATE" + " KEY-----\n",
    ),
    Defence(
        "tests/export/test_sign.py::test_no_private_key_is_made_inside_a_repository",
        "the look for repositories",
        "export/edge_rerank_export/packing/sign.py",
        "if any((folder / name).exists() for name in _VERSION_CONTROL):",
        "if not folder.exists():",
    ),
    Defence(
        "tests/history/test_transfer.py::test_no_module_of_the_runtime_can_reach_a_network",
        "no network",
        "edge_rerank/history/vault/clock.py",
        "from edge_rerank.history.vault.root import Root\n",
        "import socket\n\nfrom edge_rerank.history.vault.root import Root\n",
    ),
    Defence(
        "tests/history/test_transfer.py::test_the_vector_of_rfc_9180",
        "the mode of HPKE",
        "edge_rerank/history/transfer.py",
        '_BASE_MODE = b"\\x00"',
        '_BASE_MODE = b"\\x01"',
    ),
    Defence(
        "tests/cli/test_profile.py::test_what_was_exported_is_restored_elsewhere",
        "the note of an export",
        "edge_rerank/history/history.py",
        "            self._store.log(AuditAction.RELEASED, user=person, count=len(data.events))\n",
        "",
        "True",
    ),
    Defence(
        "tests/history/test_transfer.py::test_every_changed_byte_is_noticed",
        "the header of a sealed file",
        "edge_rerank/history/transfer.py",
        " or sealed[:start] != _HEADER:",
        ":",
    ),
    Defence(
        "tests/history/test_aggregates.py::test_an_answer_is_never_less_private_than_stated",
        "half of the lies",
        "edge_rerank/history/aggregates.py",
        "self.lies = int(lie.to_integral_value(rounding=ROUND_CEILING))",
        "self.lies = int(lie.to_integral_value(rounding=ROUND_CEILING)) // 2",
    ),
    Defence(
        "tests/history/test_aggregates.py::test_the_chance_of_showing_19_people_is_below_one_in_a_million_exactly",
        "the margin",
        "edge_rerank/history/aggregates.py",
        "MIN_PEOPLE * gain + margin",
        "MIN_PEOPLE * gain",
    ),
    Defence(
        "tests/history/test_aggregates.py::test_the_budget_survives_restarts_and_runs_out",
        "the note of the price",
        "edge_rerank/history/aggregates.py",
        '    people.write_note(_NOTE, json.dumps({"spent_micro_epsilon": spent}).encode())\n',
        "",
    ),
    Defence(
        "tests/history/test_aggregates.py::test_only_people_who_agreed_take_part",
        "the purpose of counts",
        "edge_rerank/history/aggregates.py",
        "if not consents.get(AGGREGATES, False):",
        "if not consents:",
    ),
    Defence(
        "tests/compliance/test_bad_setups.py::test_a_history_that_lies_badly_fails",
        "the look at modes",
        "edge_rerank/compliance/places.py",
        "if state.st_mode & 0o077:",
        "if state.st_mode & 0o007:",
        "the key can be read by its group",
    ),
    Defence(
        "tests/compliance/test_bad_setups.py::test_a_history_that_lies_badly_fails",
        "the look at other names",
        "edge_rerank/compliance/places.py",
        "if state.st_nlink > 1:",
        "if state.st_nlink < 1:",
        "the history has a second name",
    ),
    Defence(
        "tests/compliance/test_bad_setups.py::test_a_history_that_lies_badly_fails",
        "sub-folders of the history's",
        "edge_rerank/compliance/checks.py",
        'if path.resolve().is_relative_to(subject.history.resolve().parent):\n            wrong.append("it lies',
        'if path.resolve().parent == subject.history.resolve().parent:\n            wrong.append("it lies',
        "the key lies in a sub-folder of the history's",
    ),
    Defence(
        "tests/compliance/test_bad_setups.py::test_a_history_that_lies_badly_fails",
        "the look into files for the history",
        "edge_rerank/compliance/places.py",
        "and store in start",
        "and not store",
        "the history was copied under another name",
    ),
    Defence(
        "tests/compliance/test_bad_setups.py::test_a_key_that_can_be_guessed_fails",
        "the count of different bytes",
        "edge_rerank/history/keys/strength.py",
        "if len(set(key)) < MIN_DISTINCT:",
        "if not key:",
        "eight bytes in disorder",
    ),
    Defence(
        "tests/compliance/test_bad_setups.py::test_a_history_in_a_bad_state_fails",
        "the days after an erasure",
        "edge_rerank/compliance/checks.py",
        "late = days > MAX_UNROTATED_DAYS",
        "late = False",
        "somebody was erased and the key never replaced",
    ),
    Defence(
        "tests/compliance/test_bad_setups.py::test_a_history_in_a_bad_state_fails",
        "time that the store's clock doubts",
        "edge_rerank/compliance/facts.py",
        "passed = max(0.0, now - root.wall) + root.doubted",
        "passed = 0.0",
        "events are past their time",
    ),
    Defence(
        "tests/compliance/test_bad_setups.py::test_a_history_in_a_bad_state_fails",
        "reading without SQLite",
        "edge_rerank/compliance/snapshot.py",
        '    log = Path(f"{path}-wal")\n',
        '    log = Path(f"{path}-wal")\n    __import__("sqlite3").connect(path).execute("SELECT 1 FROM sqlite_master").fetchall()\n',
        "events are past their time",
    ),
    Defence(
        "tests/compliance/test_snapshot.py::test_a_log_cut_off_anywhere",
        "commits only",
        "edge_rerank/compliance/snapshot.py",
        "        if committed:\n",
        "        if committed := committed or count:\n",
    ),
    Defence(
        "tests/compliance/test_report.py::test_nothing_of_a_person_is_in_any_form_of_the_report",
        "names without folders",
        "edge_rerank/compliance/report.py",
        "ComplianceReport(subject.history.name,",
        "ComplianceReport(str(subject.history),",
    ),
)

from tests.evaluation.conftest import folder, shop  # noqa: F401 - fixtures of one name

"""Personalised reranking on the person's own device.

Everything that an application needs is importable from here; every other module is internal.

**At work**

- :class:`Reranker`: records what a person does, ranks what they are shown, forgets on demand.
- :class:`GuestSession`: the same for one visitor, in memory only.
- :class:`RankOptions`: the keyword arguments of every ``rank()``; :class:`Repeats`, how items
  are treated that were chosen before.
- :class:`ListPolicy`: the host's rules for a list: :class:`Block`, :class:`Calibrate`,
  :class:`Cap`, :class:`Collapse`, :class:`Decay`, :class:`Diversify`, :class:`Fatigue`,
  :class:`Fresh`, :class:`Rotate`, :class:`Spread`; :class:`Exposure`, impressions of an item.
- :class:`RankingEngine`: ranks without storage, for batches and evaluations.
- :class:`Catalogue`: the host's items, with vectors computed once for many rankings.
- :class:`BatchRanker`: ranks for many people over columns, in any process it is sent to.
- :class:`Runtime`: execution providers, threads, memory for caches.
- :class:`HostGuard`: online test of the personal order against your own.
- :class:`Trust`: whose packs are accepted, and how old they may be.
- :class:`Tables`: co-occurrence, counts and sequences of the host's own log.
- :class:`FleetRound`: terms of one round of federated learning.

**What goes in and what comes out**

- :class:`Item`, :class:`Event`, :class:`EventType`: what can be shown, and what a person did.
- :class:`RatingScale`: the lowest and the highest rating of a host.
- :class:`Ranking`, :class:`RankedItem`: the order; :class:`ListOrder`, whose it is.
- :class:`RankedTexts`, :class:`RankedText`: the same for texts, with their indices.
- :class:`Reason`, :class:`ReasonCode`: why an item stands where it stands.
- :class:`LeftOut`: an item that a rule left out.
- :class:`Degradation`, :class:`Unread`: why a ranking is poorer than it could have been.
- :class:`Card`, :class:`Banner`: a ranking as data for a user interface.
- :func:`as_html`, :func:`as_table`: a ranking as a page, and as text for a terminal.
- :class:`Presentation`, :class:`Words`: pictures, templates and words of the host in such a page.
- :class:`Reporting`: client-side tracking of clicks, dwell times and impressions.
- :mod:`errors`: every exception that is raised on purpose.

**What is kept about people**

- :class:`History`: recording, access, export, audit and erasure; needs no model.
- :class:`Retention`: how long events stay.
- :class:`Scrubber`: takes personal data out before anything is sealed.
- :class:`Profile`: a summary of a person's history.
- :class:`Stats`, :class:`ListFigures`, :class:`Figure`, :class:`Comparison`,
  :class:`OrderEstimate`, :class:`ListDiversity`, :class:`ListCoverage`, :class:`Covered`,
  :class:`Note`, :class:`NoteCode`: statistics of the lists that a person was shown.
- :func:`stats_as_html`, :class:`StatsWords`: the same as a page, and its words.
- :class:`PersonalData`, :class:`StoredEvent`: everything that is stored about a person.
- :class:`FileLayout`: how a log that was not written for this package is laid out.
- :class:`ImportSummary`, :class:`BadLine`: what became of a log file.
- :class:`HistoryOverview`: numbers of people and events in a history.
- :class:`ErasureReceipt`: proof of an erasure.
- :class:`RekeyReceipt`: proof that every key was replaced.
- :class:`RepairReceipt`: what a repair or a quarantine came to.
- :class:`Verification`: result of checking every byte of a history file.
- :class:`AuditEntry`: one line of the audit log.
- :func:`inspect_history`, :class:`ComplianceReport`: how it is kept, against GDPR and PIPL.
- :class:`Aggregate`: differentially private counts.
- :func:`generate_recipient_key`, :func:`import_sealed`: the two ends of a sealed export.

**Where the key comes from, and what guards against old copies**

- :class:`KeySource`: what a key source has to do.
- :class:`KeyFile`, :class:`KeyEnv`, :class:`KeyCallback`: a file, a variable, the host's service.
- :class:`Passphrase`, :class:`Argon2Cost`: a file that a passphrase opens, and its hashing cost.
- :class:`KeyringKey`: the keyring of the operating system.
- :class:`Anchor`: what protection against old copies of a history has to do.
- :class:`AnchorFile`, :class:`AnchorCallback`: the same in a file, at the host's service.
"""

from edge_rerank import _telemetry  # isort: skip - must precede any import of onnxruntime

from typing import TYPE_CHECKING

from edge_rerank import errors
from edge_rerank._discreet import discreet as _discreet
from edge_rerank.formats.rating_scale import RatingScale
from edge_rerank.guest import GuestSession
from edge_rerank.history.aggregates import Aggregate
from edge_rerank.history.history import History
from edge_rerank.history.keys.sources import KeyCallback, KeyEnv, KeyFile, KeySource
from edge_rerank.history.overview import HistoryOverview
from edge_rerank.history.personal_data import PersonalData
from edge_rerank.history.transfer import generate_recipient_key, import_sealed
from edge_rerank.history.vault.anchor import Anchor, AnchorCallback, AnchorFile
from edge_rerank.history.vault.audit import AuditEntry
from edge_rerank.history.vault.receipts import (
    ErasureReceipt,
    RekeyReceipt,
    RepairReceipt,
    StoredEvent,
    Verification,
)
from edge_rerank.history.vault.retention import Retention
from edge_rerank.inference.runtime import Runtime
from edge_rerank.learning.coverage import Covered
from edge_rerank.learning.host_guard import HostGuard
from edge_rerank.packs.tables import Tables
from edge_rerank.packs.trust import Trust
from edge_rerank.privacy.scrub import Scrubber
from edge_rerank.profile import Profile
from edge_rerank.ranked import RankedItem
from edge_rerank.ranking.candidates import Catalogue
from edge_rerank.ranking.engine import RankingEngine
from edge_rerank.ranking.list_policy import ListPolicy
from edge_rerank.ranking.list_rules import (
    Block,
    Calibrate,
    Cap,
    Collapse,
    Decay,
    Diversify,
    Exposure,
    Fatigue,
    Fresh,
    Rotate,
    Spread,
)
from edge_rerank.ranking.options import RankOptions, Repeats
from edge_rerank.reranker import Reranker
from edge_rerank.result import Ranking
from edge_rerank.texts import RankedText, RankedTexts
from edge_rerank.types import (
    Degradation,
    Event,
    EventType,
    Item,
    LeftOut,
    ListOrder,
    Reason,
    ReasonCode,
    Unread,
)

if TYPE_CHECKING:
    from edge_rerank.batch import BatchRanker
    from edge_rerank.compliance.inspection import inspect_history
    from edge_rerank.compliance.report import ComplianceReport
    from edge_rerank.formats.layout import FileLayout
    from edge_rerank.formats.logs import BadLine
    from edge_rerank.history.import_log import ImportSummary
    from edge_rerank.history.keys.keyring import KeyringKey
    from edge_rerank.history.keys.passphrase import Argon2Cost, Passphrase
    from edge_rerank.learning.figures import Figure
    from edge_rerank.learning.order_estimates import OrderEstimate
    from edge_rerank.learning.share import FleetRound
    from edge_rerank.learning.stats import (
        Comparison,
        ListCoverage,
        ListDiversity,
        ListFigures,
        Note,
        NoteCode,
        Stats,
    )
    from edge_rerank.learning.stats_page import stats_as_html
    from edge_rerank.learning.stats_words import StatsWords
    from edge_rerank.render.cards import Banner, Card, as_table
    from edge_rerank.render.html import as_html
    from edge_rerank.render.presentation import Presentation, Reporting
    from edge_rerank.render.words import Words

__version__ = "0.1.0"

__all__ = [
    "Aggregate",
    "Anchor",
    "AnchorCallback",
    "AnchorFile",
    "Argon2Cost",
    "AuditEntry",
    "BadLine",
    "Banner",
    "BatchRanker",
    "Block",
    "Calibrate",
    "Cap",
    "Card",
    "Catalogue",
    "Collapse",
    "Comparison",
    "ComplianceReport",
    "Covered",
    "Decay",
    "Degradation",
    "Diversify",
    "ErasureReceipt",
    "Event",
    "EventType",
    "Exposure",
    "Fatigue",
    "Figure",
    "FileLayout",
    "FleetRound",
    "Fresh",
    "GuestSession",
    "History",
    "HistoryOverview",
    "HostGuard",
    "ImportSummary",
    "Item",
    "KeyCallback",
    "KeyEnv",
    "KeyFile",
    "KeySource",
    "KeyringKey",
    "LeftOut",
    "ListCoverage",
    "ListDiversity",
    "ListFigures",
    "ListOrder",
    "ListPolicy",
    "Note",
    "NoteCode",
    "OrderEstimate",
    "Passphrase",
    "PersonalData",
    "Presentation",
    "Profile",
    "RankOptions",
    "RankedItem",
    "RankedText",
    "RankedTexts",
    "Ranking",
    "RankingEngine",
    "RatingScale",
    "Reason",
    "ReasonCode",
    "RekeyReceipt",
    "RepairReceipt",
    "Repeats",
    "Reporting",
    "Reranker",
    "Retention",
    "Rotate",
    "Runtime",
    "Scrubber",
    "Spread",
    "Stats",
    "StatsWords",
    "StoredEvent",
    "Tables",
    "Trust",
    "Unread",
    "Verification",
    "Words",
    "as_html",
    "as_table",
    "errors",
    "generate_recipient_key",
    "import_sealed",
    "inspect_history",
    "stats_as_html",
]

if not TYPE_CHECKING:  # a type checker reads the imports above, and knows a name that is none
    _WHEN_ASKED_FOR = {
        "Argon2Cost": "history.keys.passphrase",
        "BadLine": "formats.logs",
        "Banner": "render.cards",
        "BatchRanker": "batch",
        "Card": "render.cards",
        "Comparison": "learning.stats",
        "ComplianceReport": "compliance.report",
        "Figure": "learning.figures",
        "FileLayout": "formats.layout",
        "ImportSummary": "history.import_log",
        "KeyringKey": "history.keys.keyring",
        "ListCoverage": "learning.stats",
        "ListDiversity": "learning.stats",
        "ListFigures": "learning.stats",
        "Note": "learning.stats",
        "NoteCode": "learning.stats",
        "FleetRound": "learning.share",
        "OrderEstimate": "learning.order_estimates",
        "Passphrase": "history.keys.passphrase",
        "Presentation": "render.presentation",
        "Reporting": "render.presentation",
        "Stats": "learning.stats",
        "StatsWords": "learning.stats_words",
        "Words": "render.words",
        "as_html": "render.html",
        "as_table": "render.cards",
        "inspect_history": "compliance.inspection",
        "stats_as_html": "learning.stats_page",
    }
    """Modules of the names that not every application uses, imported with the first of them."""

    def __getattr__(name: str) -> object:
        if name not in _WHEN_ASKED_FOR:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415 - a name of ours, were it above

        value = getattr(import_module(f"{__name__}.{_WHEN_ASKED_FOR[name]}"), name)
        return globals().setdefault(name, _discreet(value))

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})

    # An error that leaves by one of these shows nothing of a person, see the module.
    globals().update({name: _discreet(globals()[name]) for name in __all__ if name in globals()})


del _telemetry, TYPE_CHECKING

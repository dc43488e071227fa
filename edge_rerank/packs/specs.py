"""Specifications of the models in a pack: what each takes and gives, and how it is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class QueryPrompt:
    """Tokens that a query has where an item's text has others, or none.

    Attributes:
        at: place of the first.
        replaces: how many of an item's tokens are left out there.
        ids: the tokens.
    """

    at: int
    replaces: int
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """The text encoder.

    The ONNX model takes ``input_ids`` and ``attention_mask``, int64 of shape (batch,
    tokens), and returns ``vector``, float32 of shape (batch, dim) with rows of length 1.

    Attributes:
        model: file name of the ONNX model.
        tokenizer: file name of the tokeniser, in the format of the tokenizers library.
        dim: length of a vector.
        max_tokens: longest input, special tokens included.
        pad_id: token that fills up shorter rows.
        opset: ONNX operator set version.
        quantisation: "none" or the scheme's name.
        query_prompt: for encoders that read queries in another way than items; ``None`` for
            others.
        external_data: file name of weights that lie beside the model, see
            :mod:`edge_rerank.packs.external_data`; ``None`` where all is in it.
        fixed_tokens: how many tokens each row is filled up to with ``pad_id``, for encoders that
            read what they are filled up with, as SigLIP's; ``None`` for as few as will do.
    """

    model: str
    tokenizer: str
    dim: int
    max_tokens: int
    pad_id: int
    opset: int
    quantisation: str = "none"
    query_prompt: QueryPrompt | None = None
    external_data: str | None = None
    fixed_tokens: int | None = None


LIKELIHOOD_WEIGHT = 0.04
"""Chosen on validation requests of shop, film, game and news data."""


class Scoring(StrEnum):
    """What a scorer's number means.

    ``LIKELIHOOD``: the log-probability of each token, for packs without a trained head.
    ``HEAD``: a trained head's output over a candidate's last token.
    """

    LIKELIHOOD = "likelihood"
    HEAD = "head"


@dataclass(frozen=True, slots=True)
class Template:
    """How lines stand in a text that the model was trained to answer.

    Attributes:
        before: tokens before a candidate.
        after: tokens after a candidate, in place of the separator.
        spaced: whether every line begins with a space, as after a colon.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    spaced: bool


@dataclass(frozen=True, slots=True)
class ScorerSpec:
    """The scorer: a language model that reads a history once and candidates after it.

    The ONNX model works on one row of tokens, in which sequences lie end to end: the next
    part of a history, or candidates, each of which sees the past and itself. Inputs, int64
    if not said otherwise (mask, past and states are float32, or float16 in a pack for GPUs; d
    is the dimension of a head):

    - ``input_ids``, ``position_ids``: (tokens,);
    - ``layout``: (sequences, width), the token at each place, any one where there is none;
    - ``places``: (tokens,), the place of each token, row by row;
    - ``mask``: (sequences, width, width), added to the scores of (query, key);
    - ``past_keys``: (layers, key heads, d, past), ``past_values``: (layers, key heads,
      past, d), what was read before;
    - ``extend``: (), 1 to return the new keys and values of the only sequence, 0 to score;
    - ``start``: (1, hidden), the past's last state, which predicts what comes next;
    - ``scored``: (rows,), the tokens whose last state is needed;
    - ``predictors``: (scores,), 0 for ``start``, 1 and more for ``scored``; ``targets``:
      (scores,), for likelihoods the token each predictor is to predict.

    Outputs: ``score``, float32 (scores, outputs); ``end``, (1, hidden), the last state of
    ``scored``, or (0, hidden) if that is empty; ``new_keys`` and ``new_values``, shaped like
    the past, of all tokens or none.

    Attributes:
        model: file name of the ONNX model.
        tokenizer: file name of the tokeniser, in the format of the tokenizers library.
        scoring: see :class:`Scoring`.
        causal: whether a token sees only those before it, so that a history can be added to.
        prefix: tokens at the beginning of every prompt.
        separator: tokens at the end of every line.
        line_tokens: most tokens of an event or a candidate, without the separator.
        history_tokens: most tokens of a history, prefix included.
        opset: ONNX operator set version.
        quantisation: "none" or the scheme's name.
        weight: what one unit of score adds to the log-odds of a click; fitted on validation
            requests for a trained head. For a likelihood, a nat adds
            :data:`LIKELIHOOD_WEIGHT`.
        template: what stands around a candidate; ``None`` for nothing but the separator.
        external_data: see :class:`EncoderSpec`.
    """

    model: str
    tokenizer: str
    scoring: Scoring
    causal: bool
    prefix: tuple[int, ...]
    separator: tuple[int, ...]
    line_tokens: int
    history_tokens: int
    opset: int
    quantisation: str = "none"
    weight: float = LIKELIHOOD_WEIGHT
    template: Template | None = None
    external_data: str | None = None


PAIR_WEIGHT = 0.1
"""A pair scorer was trained on queries and texts, not on what people choose: its log-odds count a
tenth after a history. A prior, not a fit: a spread of ten, as usual among passages, then moves a
candidate by one."""

PAIR_QUERY_WEIGHT = 1.0
"""What a classifier trained with cross-entropy says of a query and a text are log-odds."""


@dataclass(frozen=True, slots=True)
class PairScorerSpec:
    """The scorer of pairs: a cross-encoder that reads a query, or a history, with each candidate.

    The ONNX model takes ``input_ids``, ``attention_mask`` and, where its family tells two texts
    apart by them, ``token_type_ids``, int64 of shape (batch, tokens), and returns ``score``,
    float32 of shape (batch, 1), in log-odds. Before the candidate stands the query; without one,
    the heading and the newest lines of the history that fit.

    Attributes:
        model: file name of the ONNX model.
        tokenizer: file name of the tokeniser, in the format of the tokenizers library, with a
            template of pairs.
        max_tokens: longest pair, special tokens included.
        item_tokens: most tokens of a candidate; the rest is for what stands before it.
        pad_id: token that fills up shorter rows.
        heading: what a history begins with.
        joiner: what stands between its lines.
        opset: ONNX operator set version.
        quantisation: "none" or the scheme's name.
        weight: what one unit of score adds to the log-odds of a click after a history.
        query_weight: what it adds to the log-odds that a candidate fits a query.
        external_data: see :class:`EncoderSpec`.
    """

    model: str
    tokenizer: str
    max_tokens: int
    item_tokens: int
    pad_id: int
    heading: str
    joiner: str
    opset: int
    quantisation: str = "none"
    weight: float = PAIR_WEIGHT
    query_weight: float = PAIR_QUERY_WEIGHT
    external_data: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryEncoderSpec:
    """The history encoder, see :mod:`edge_rerank.ranking.sources.history_model`.

    The ONNX model takes arrays of :func:`edge_rerank.ranking.signals.inputs.inputs` with one
    leading axis, those that there were when it was trained, and returns ``parts``, float32 of
    shape (requests, candidates, 4).

    Attributes:
        model: file name of the ONNX model.
        lexicon: file name of the weights of words.
        opset: ONNX operator set version.
        slope, intercept: of the sigmoid that makes a score a probability.
        tables: file names of what the pack knows of a catalogue, by the names of the tables, if
            it was tuned on one. In the file they stand beside the other members. Which names
            there are is for the ranking to say.
    """

    model: str
    lexicon: str
    opset: int
    slope: float
    intercept: float
    tables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AxesSpec:
    """Principal axes of item vectors, along which a personal head learns on the device.

    Attributes:
        file: name of a ``.npy`` file of float16, shape (dim, axes), the axis along which the
            vectors of items differ most first; each is scaled as the head reads it.
    """

    file: str


@dataclass(frozen=True, slots=True)
class AlignmentSpec:
    """Vectors of texts from those of pictures, see :mod:`edge_rerank.ranking.alignment`.

    Attributes:
        file: name of a ``.npy`` file of float16, shape (p + 1, t + 1), for pictures of length p and
            texts of length t: the weights, the mean of the pictures beside and that of the texts
            below them, and in the corner what part of the texts' variance it tells. Where both
            encoders are towers of one model, shape (2, t): the means alone, of the pictures first.
    """

    file: str


LIKENESS_WEIGHT = 1.0
"""What a whole likeness to a click of just now adds to the log-odds of a click. NDCG@10 of
simulated people and 600 pictures of 50 made-up families without a word, one choice among 20: of 450
who make four of five choices of three families 0.370 by popularity, 0.525 with 0.5, 0.571 with 1,
0.581 with 1.5, 0.573 with 2; of 150 who make half so 0.471, 0.477, 0.470, 0.451, 0.436."""


@dataclass(frozen=True, slots=True)
class ImageEncoderSpec:
    """The picture encoder.

    The ONNX model takes ``image``, uint8 of shape (height, width, 3), red, green and blue, each
    side from 1 to :data:`MAX_SIDE`, and returns ``vector``, float32 of shape (1, dim), of length 1.
    Cropping, resizing and normalising are its own.

    Attributes:
        model: file name of the ONNX model.
        dim: length of a vector.
        side: pixels that its network looks at, along each side.
        opset: ONNX operator set version.
        quantisation: "none" or the scheme's name.
        weight: what the likeness of a picture adds to the log-odds of a click, at most.
    """

    model: str
    dim: int
    side: int
    opset: int
    quantisation: str = "none"
    weight: float = LIKENESS_WEIGHT


@dataclass(frozen=True, slots=True)
class AudioEncoderSpec:
    """The sound encoder.

    The ONNX model takes ``samples``, float32 of shape (samples,), one channel from -1 to 1, and
    ``rate``, int64 of shape (), in Hz, from 4,000 to 192,000, and returns
    ``vector``, float32 of shape (1, dim), of length 1. Resampling, spectra and the mean over
    windows are its own; it fills up what is shorter than a window.

    Attributes:
        model: file name of the ONNX model.
        dim: length of a vector.
        rate: Hz at which its network listens.
        seconds: how much of a sound it listens to, from the beginning.
        opset: ONNX operator set version.
        quantisation: "none" or the scheme's name.
        weight: what the likeness of a sound adds to the log-odds of a click, at most.
    """

    model: str
    dim: int
    rate: int
    seconds: int
    opset: int
    quantisation: str = "none"
    weight: float = LIKENESS_WEIGHT


MAX_SIDE = 1_024
"""Pixels along a side of a picture that a model is given."""


@dataclass(frozen=True, slots=True)
class PriorSpec:
    """Where personal heads begin, as a fleet of devices found it; a pack of its own.

    Attributes:
        file: name of a ``.npy`` file of float32, shape (2, width): mean and precision of each
            weight.
        layout: mark of the heads' layout, 32 hexadecimal digits: it is of those that one pack and
            the packs beside it give.
    """

    file: str
    layout: str

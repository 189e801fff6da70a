import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from goalkit.datasets import Dataset
from goalkit.tokenization import WordPieceTokenizer
from goalkit.training.batching import epoch_steps
from goalkit.training.encoding import EncodedRows
from goalkit.training.processes import Processes

DIVISIONS = {
    "rows": st.integers(1, 16),
    "tokens": st.none() | st.integers(3, 400),
    "accumulation": st.integers(1, 3),
    "seed": st.integers(0, 3),
    "epoch": st.integers(1, 3),
}


@given(lengths=st.lists(st.integers(3, 60), min_size=1, max_size=200), ranks=st.integers(1, 4), **DIVISIONS)
def test_every_row_is_seen_once_an_epoch_by_one_process(lengths, ranks, **division):
    steps = epoch_steps(np.array(lengths), **division)
    parts = [Processes(rank, ranks, torch.device("cpu")) for rank in range(ranks)]
    seen = [place for step in steps for batch in step for part in parts for place in part.share(batch).tolist()]
    assert sorted(seen) == list(range(len(lengths)))
    assert max(map(len, steps)) <= division["accumulation"]


@given(lengths=st.lists(st.integers(3, 60), min_size=1, max_size=200), **DIVISIONS)
def test_no_batch_exceeds_its_rows_or_tokens(lengths, **division):
    lengths = np.array(lengths)
    for batch in (batch for step in epoch_steps(lengths, **division) for batch in step):
        if division["tokens"] is None:
            assert 1 <= len(batch) <= division["rows"]
        else:
            assert len(batch) == 1 or len(batch) * lengths[batch].max() <= division["tokens"]


def test_batches_hold_rows_of_like_length_and_epochs_differ():
    lengths = np.arange(640) % 50 + 3
    first, second = (epoch_steps(lengths, rows=16, tokens=None, accumulation=1, seed=0, epoch=epoch) for epoch in (1, 2))
    padded = sum(len(batch) * lengths[batch].max() for step in first for batch in step)
    assert padded < 1.2 * lengths.sum()
    assert not np.array_equal(np.concatenate(first[0]), np.concatenate(second[0]))


def test_a_batch_is_what_the_tokenizer_gives():
    tokenizer = WordPieceTokenizer(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "跑", "步", "读"))
    texts = ["跑步", "读", "跑步跑步跑步", "猫"]
    rows = EncodedRows.of(Dataset.from_columns(texts, {"kind": ["a", "b", "a", "b"]}), tokenizer, 6)
    places = np.array([2, 1, 3])
    batch = rows.batch(places, torch.device("cpu"))
    ids, mask, labels = batch.input_ids, batch.attention_mask, batch.labels
    wanted = tokenizer.encode([texts[place] for place in places], longest=6)
    assert np.array_equal(ids.numpy(), wanted.input_ids)
    assert np.array_equal(mask.numpy(), wanted.attention_mask)
    assert labels["kind"].tolist() == [0, 1, 1]
    assert rows.tokens(places) == wanted.attention_mask.sum()

"""What a page's script unpacks."""

import re

from ch5jax.report._packed import pack_sentences

TEXTS = {
    3: ["SLOW: it ended at step 1,000 with 0.5 % left.", "Start: it travelled 1.65e+06, -3 or 2e-05."],
    8: ["SLOW: it ended at step 20 with less than 0.01 % left."],
    9: ["HEALTHY: none was seen.", "SLOW: it ended at step 7 with 99 % left.", ""],
}


def test_sentences_that_differ_in_their_numbers_are_kept_once_and_come_back_as_they_were():
    packed = pack_sentences(TEXTS)
    back = {
        int(key): ["".join(part + (numbers[k] if k < len(numbers) else "") for k, part in enumerate(packed["forms"][f]))
                   for f, *numbers in rows]
        for key, rows in packed["of"].items()
    }  # fmt: skip
    assert back == TEXTS
    assert len(packed["forms"]) == 5
    assert not re.search(r"\d", str(packed["forms"]))

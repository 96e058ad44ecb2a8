"""Sentences by others: the templates and fake people of the package presidio-evaluator, which are not shipped here."""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Sequence

from tests.privacy.scoring import Gold, Sentence

_KINDS = {
    "PERSON": "PERSON",
    "STREET_ADDRESS": "ADDRESS",
    "GPE": "ADDRESS",
    "ZIP_CODE": "ADDRESS",
    "CREDIT_CARD": "CARD",
    "IBAN_CODE": "IBAN",
    "IP_ADDRESS": "IP",
    "PHONE_NUMBER": "PHONE",
    "EMAIL_ADDRESS": "EMAIL",
    "DOMAIN_NAME": "URL",
    "US_SSN": "SSN",
    "DATE_TIME": "DATE",
    "ORGANIZATION": "ORG",
    "US_DRIVER_LICENSE": "NATIONAL_ID",
}


def sentences(count: int = 1500, seed: int = 11) -> Sequence[Sentence]:
    """Return sentences made of the package's templates and people, the same ones for the same seed."""
    from presidio_evaluator.data_generator.presidio_sentence_faker import (  # noqa: PLC0415 - in the environment of `make privacy` only
        PresidioSentenceFaker,
    )

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        faker = PresidioSentenceFaker("en_US", 0.05, random_seed=seed)
        random.seed(seed)
        made = faker.generate_new_fake_sentences(count)
    return [
        Sentence(
            one.full_text,
            tuple(
                Gold(_KINDS.get(span.entity_type, "OTHER"), span.start_position, span.end_position)
                for span in one.spans
            ),
        )
        for one in made
    ]

"""Bulk: a data set through an agent, on one machine or a cluster, with one run for each row.

>>> from lumnisai_integrations.bulk import LumnisBatch
>>> batch = LumnisBatch(job="reviews-2026-11", key="id", prompt="text", user_id="user-123")
>>> batch(data_frame)                            # adds: answer, structured, response_id, status, error
>>> dataset.map_batches(batch)                   # Ray; lumnisai_integrations.bulk.ray.map_runs has one limit for all
"""

from __future__ import annotations

from lumnisai_integrations.bulk.batch import LumnisBatch
from lumnisai_integrations.bulk.ledger import read_job

__all__ = ["LumnisBatch", "read_job"]

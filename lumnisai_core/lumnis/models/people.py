"""People and posts found by searches (``/v1/people``), and the names of the specialized agents."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from lumnisai_core._transport.wire import OPEN_ENUM, Items, WireModel


class PeopleDataSource(StrEnum):
    """Data sources of people searches."""

    PDL = "PDL"
    CORESIGNAL = "CORESIGNAL"
    CRUST_DATA = "CRUST_DATA"


class SpecializedAgent(StrEnum):
    """Agents that a run can be routed to with ``specialized_agent=``. Other names are accepted, too.

    The prompt is the first message, ``specialized_agent_params=`` has the agent's parameters, and the result is in
    ``structured_response``, usually as ``candidates``.
    """

    QUICK_PEOPLE_SEARCH = "quick_people_search"
    DEEP_PEOPLE_SEARCH = "deep_people_search"
    PEOPLE_SCORING = "people_scoring"
    COMPETITOR_POST_ENGAGEMENT = "competitor_post_engagement"
    COMPETITOR_REP_ENGAGEMENT = "competitor_rep_engagement"
    CONTENT_INTELLIGENCE = "content_intelligence"
    ENGAGEMENT_EXPANSION = "engagement_expansion"


class SalaryRange(WireModel):
    """Estimated salary of a person."""

    min: float | None = None
    max: float | None = None
    median: float | None = None
    currency: str | None = None
    period: str | None = None


class Person(WireModel):
    """A person that a search found.

    Attributes:
        source: The data source, such as ``PDL``.
        confidence_score: Confidence of the source, 0 to 1.
    """

    id: str
    name: str = ""
    emails: Items[str] = Field(default_factory=list)
    skills: Items[str] = Field(default_factory=list)
    is_decision_maker: bool = False
    recently_changed_jobs: bool = False
    source: str = ""
    current_title: str | None = None
    current_company: str | None = None
    current_department: str | None = None
    location: str | None = None
    city: str | None = None
    country: str | None = None
    email: str | None = None
    linkedin_url: str | None = None
    profile_picture_url: str | None = None
    years_experience: float | None = None
    seniority_level: str | None = None
    connections_count: int | None = None
    confidence_score: float | None = None
    salary_range: SalaryRange | None = None
    certifications_count: int | None = None
    languages: Items[str] = Field(default_factory=list)
    education_degrees: Items[str] = Field(default_factory=list)


class PeopleSearchResult(WireModel):
    """Results of a people search.

    Attributes:
        applied_filters: Filters that the service derived from the query, such as
            ``{"cities": {"values": ["Lisbon"], "logic": "or"}}``.
    """

    candidates: Items[Person] = Field(default_factory=list)
    total_found: int = 0
    applied_filters: dict[str, Any] = Field(default_factory=dict)
    execution_time_ms: float = 0.0
    data_sources_used: Items[Annotated[PeopleDataSource | str, OPEN_ENUM]] = Field(default_factory=list)


class PostPreview(WireModel):
    """One post, or the reason why it could not be read.

    Attributes:
        status: ``success`` or ``error``.
        text_preview: The first 300 characters.
    """

    url: str
    status: str = ""
    error: str | None = None
    author_name: str | None = None
    text_preview: str | None = None
    total_reactions: int | None = None
    total_comments: int | None = None
    num_shares: int | None = None
    reactions_by_type: dict[str, int] | None = None
    date_posted: str | None = None
    share_url: str | None = None


class PostPreviews(WireModel):
    """Posts in the order of the request."""

    posts: Items[PostPreview] = Field(default_factory=list)

"""Collections of the embedded application backend: filters, pages, changes, access rules."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lumnisai_core.local import LumiRule
from lumnisai_core.local.lumi.documents import Caller, is_allowed
from lumnisai_core.local.lumi.filters import Query
from lumnisai_core.local.lumi.settings import Access
from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.json_text import dumps
from tests.local.backend import Backend, Started

# Filters


DOCUMENTS: list[dict[str, Any]] = [
    {"_id": "tap", "n": 1, "city": "Zürich", "tags": ["wet", "old"], "cost": {"sum": 5, "in": "EUR"}, "done": False},
    {"_id": "lamp", "n": 2, "city": "Oslo", "tags": [], "cost": {"sum": 9, "in": "NOK"}, "done": True},
    {"_id": "door", "n": 3, "city": None, "parts": [{"name": "hinge", "count": 2}, {"name": "lock", "count": 1}]},
    {"_id": "roof", "n": 4.5, "city": "oslo-west", "parts": [{"name": "tile", "count": 90}]},
    {"_id": "gate", "n": "4", "tags": ["old"], "cost": {"sum": 5, "in": "NOK"}},
]

#: A filter and the ids of the documents that it applies to.
FILTERS: list[tuple[dict[str, Any], str]] = [
    ({}, "tap lamp door roof gate"),
    ({"city": "Oslo"}, "lamp"),
    ({"city": None}, "door gate"),
    ({"n": {"$gt": 1, "$lte": 4.5}}, "lamp door roof"),
    ({"n": {"$lt": 2}}, "tap"),
    ({"n": {"$gte": "4"}}, "gate"),
    ({"city": {"$ne": "Oslo"}}, "tap door roof gate"),
    ({"city": {"$in": ["Oslo", "Zürich"]}}, "tap lamp"),
    ({"city": {"$nin": ["Oslo", None]}}, "tap roof"),
    ({"city": {"$exists": True}}, "tap lamp door roof"),
    ({"city": {"$exists": False}}, "gate"),
    ({"city": {"$regex": "^oslo"}}, "roof"),
    ({"city": {"$regex": "^oslo", "$options": "i"}}, "lamp roof"),
    ({"tags": "old"}, "tap gate"),
    ({"tags": {"$all": ["wet", "old"]}}, "tap"),
    ({"tags": {"$size": 0}}, "lamp"),
    ({"tags": ["wet", "old"]}, "tap"),
    ({"cost.in": "NOK"}, "lamp gate"),
    ({"cost": {"sum": 5, "in": "EUR"}}, "tap"),
    ({"parts.name": "lock"}, "door"),
    ({"parts.0.name": "tile"}, "roof"),
    ({"parts": {"$elemMatch": {"name": "lock", "count": {"$gt": 1}}}}, ""),
    ({"parts": {"$elemMatch": {"name": "hinge", "count": {"$gt": 1}}}}, "door"),
    ({"$and": [{"cost.sum": 5}, {"tags": "wet"}]}, "tap"),
    ({"$or": [{"n": 2}, {"_id": "gate"}]}, "lamp gate"),
    ({"$nor": [{"n": 2}, {"done": False}]}, "door roof gate"),
    ({"n": {"$not": {"$gt": 1}}}, "tap gate"),
    ({"city": {"$not": {"$regex": "^o", "$options": "i"}}}, "tap door gate"),
    ({"done": True}, "lamp"),
    ({"_id": {"$in": ["door", "nothing"]}, "n": {"$eq": 3}}, "door"),
]


@pytest.mark.parametrize(("condition", "expected"), FILTERS)
def test_filters_are_those_of_mongodb(condition: dict[str, Any], expected: str) -> None:
    """By its documented semantics: a missing field is null, lists match by any item, paths have dots."""
    query = Query(condition)
    found = query.ordered(query.matching(map(dumps, DOCUMENTS)))
    assert found == expected.split()


SORTED: list[tuple[dict[str, int], str]] = [
    ({"city": 1}, "door gate lamp tap roof"),
    ({"city": -1}, "roof tap lamp door gate"),
    ({"n": -1}, "gate roof door lamp tap"),
    ({"cost.sum": 1, "n": -1}, "roof door gate tap lamp"),
]


@pytest.mark.parametrize(("sort", "expected"), SORTED)
def test_sort_orders_are_those_of_mongodb(sort: dict[str, int], expected: str) -> None:
    """Missing before null before numbers before texts; equal ones stay in the order of their creation."""
    query = Query(None, sort)
    assert query.ordered(query.matching(map(dumps, DOCUMENTS))) == expected.split()


NESTED: dict[str, Any] = {"n": 1}
for _ in range(30):
    NESTED = {"$and": [NESTED]}
#: A filter that is refused, and a part of the reason.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"$where": "1"}, "$where is not a field"),
    ({"$expr": {"$gt": ["$n", 1]}}, "$expr is not a field"),
    ({"n": {"$near": 1}}, "$near is not a supported operator"),
    ({"n": {"$gt": 1, "m": 2}}, "m is not a supported operator"),
    ({"n": {"$in": 1}}, "$in must be a list"),
    ({"$or": []}, "$or must be a non-empty list"),
    ({"$or": [1]}, "must be an object"),
    ({"n": {"$not": 1}}, "$not must be an object"),
    ({"n": {"$size": "1"}}, "$size must be a number"),
    ({"n": {"$elemMatch": 1}}, "$elemMatch must be"),
    ({"n": {"$options": "i"}}, "$options needs $regex"),
    ({"n": {"$regex": 1}}, "$regex must be a string"),
    ({"n": {"$regex": "a", "$options": "g"}}, "letters i, m, s and x"),
    ({"n": {"$regex": "("}}, "must be a regular expression"),
    ({"n": {"$regex": "(?=a)"}}, "without look-around"),
    ({"n": {"$regex": "(?:a{1000}){1000}"}}, "of moderate size"),
    ({"n": {"$eq": {"$gt": 1}}}, "no operators in it"),
    ({"": 1}, "An empty name"),
    ({"n": {"$in": list(range(1001))}}, "at most 1000 conditions"),
    ({"$or": [{"n": n} for n in range(1001)]}, "at most 1000 conditions"),
    (NESTED, "at most 20 times"),
]


@pytest.mark.parametrize(("condition", "reason"), WRONG)
def test_a_filter_that_is_unknown_or_too_costly_is_refused(condition: dict[str, Any], reason: str) -> None:
    """Before any document is read, and with its reason."""
    with pytest.raises(ApiError) as caught:
        Query(condition)
    assert reason in caught.value.message
    assert caught.value.status == 400


@pytest.mark.parametrize("pattern", ["(a+)+$", "^(a|a)*$", ".*.*.*.*.*b"])
def test_no_pattern_makes_a_list_hang(pattern: str) -> None:
    """Patterns that backtrack for ever elsewhere take linear time."""
    found = Query({"text": {"$regex": pattern}}).matching([dumps({"_id": "1", "text": "a" * 200_000 + "!"})])
    assert found == []


def test_a_filter_has_a_time(started: Started) -> None:
    """One that takes longer is refused."""
    backend = started(filter_seconds=1e-9)
    backend.documents("POST", {"n": 1})
    code, message = backend.outcome("POST", f"{backend.project}/Posts/documents/list", {"filter": {"n": 1}})
    assert code == 400
    assert "took longer" in message


# Documents


def test_a_document_is_made_read_changed_and_deleted(started: Started) -> None:
    """The service adds id, creator and times; an update changes what it names and nothing else."""
    user = started().signed_up("ines@example.org")
    me = user.ok("POST", "/lm/user/info")["userId"]
    made = user.documents("POST", {"title": "tap ü", "n": 1.0, "deep": {"a": [None]}})
    assert {**made, "_id": "", "createdAt": "", "updatedAt": ""} == {
        "_id": "",
        "title": "tap ü",
        "n": 1.0,
        "deep": {"a": [None]},
        "creator": me,
        "createdAt": "",
        "updatedAt": "",
    }
    assert user.documents("GET", below=f"/{made['_id']}") == made
    changed = user.documents("PUT", {"filter": {"_id": made["_id"]}, "update": {"n": 2}})
    assert changed == {**made, "n": 2, "updatedAt": changed["updatedAt"]}
    assert user.documents("DELETE", below=f"/{made['_id']}") is None
    assert user.documents("GET", below=f"/{made['_id']}") is None
    assert user.documents("DELETE", below=f"/{made['_id']}") is None


def test_what_an_application_writes_itself_is_kept(started: Started) -> None:
    """Its ids and times, but not its word for who created a document; a whole document can be sent back."""
    backend = started()
    sent = {"_id": "mine", "createdAt": "then", "updatedAt": "then", "creator": "somebody"}
    made = backend.documents("POST", sent)
    assert made == {**sent, "creator": None}
    assert backend.documents("PUT", {"filter": {"_id": "mine"}, "update": {**made, "n": 1}}) == {**made, "n": 1}
    for fixed in ({"_id": "other"}, {"creator": "somebody"}):
        path = f"{backend.project}/Posts/documents"
        assert backend.code("PUT", path, {"filter": {"_id": "mine"}, "update": fixed}) == 400


@pytest.mark.parametrize("document_id", ["a/b", "..", "a b?c#d", "100%", "é/ü", "a%2Fb", "list.json"])
def test_an_id_cannot_change_the_route(started: Started, document_id: str) -> None:
    """Whatever characters it has, once they are encoded."""
    backend = started()
    backend.documents("POST", {"_id": document_id, "n": 1})
    encoded = "".join(f"%{byte:02X}" for byte in document_id.encode())
    assert backend.documents("GET", below=f"/{encoded}")["_id"] == document_id
    assert backend.documents("GET", below=f"/{encoded}", of="Odd%2FName") is None
    assert backend.documents("PUT", {"filter": {"_id": document_id}, "update": {"n": 2}})["n"] == 2
    backend.documents("DELETE", below=f"/{encoded}")
    assert backend.documents("POST", {}, below="/list") == []


@pytest.mark.parametrize(
    "document",
    [{"_id": ""}, {"_id": 1}, {"_id": "list"}, {"_id": "x" * 201}, {"$n": 1}, {"a.b": 1}, {"a": [{"": 1}]}],
)
def test_a_document_that_a_filter_could_not_name_is_refused(started: Started, document: dict[str, Any]) -> None:
    """Names of fields with dots or dollars, and ids that are the name of a route."""
    backend = started()
    assert backend.code("POST", f"{backend.project}/Posts/documents", document) == 400
    assert backend.code("POST", f"{backend.project}/Posts/documents/batch", [{"n": 1}, document]) == 400
    assert backend.documents("POST", {}, below="/list") == []


def test_many_are_made_and_deleted_together(started: Started) -> None:
    """All or none, in the order in which they were sent."""
    backend = started()
    made = backend.documents("POST", [{"_id": str(n)} for n in range(3)], below="/batch")
    assert [one["_id"] for one in made] == ["0", "1", "2"]
    path = f"{backend.project}/Posts/documents/batch"
    assert backend.code("POST", path, [{"_id": "3"}, {"_id": "1"}]) == 409
    assert backend.code("POST", path, [{"_id": "3"}, {"_id": "3"}]) == 409
    assert backend.documents("POST", [], below="/batch") == []
    backend.ok("DELETE", f"{path}-by-ids", params={"ids": ["0", "nothing", "2"]})
    assert [one["_id"] for one in backend.documents("POST", {}, below="/list")] == ["1"]
    assert backend.code("DELETE", f"{path}-by-ids") == 400


def test_an_update_needs_a_document(started: Started) -> None:
    """The first one that the filter applies to; code 404 without one, and 400 without a filter."""
    backend = started()
    backend.documents("POST", [{"_id": str(n), "n": n} for n in range(3)], below="/batch")
    changed = backend.documents("PUT", {"filter": {"n": {"$gt": 0}}, "update": {"seen": True}})
    assert changed["_id"] == "1"
    path = f"{backend.project}/Posts/documents"
    assert backend.code("PUT", path, {"filter": {"_id": "9"}, "update": {}}) == 404
    assert backend.code("PUT", path, {"filter": {"_id": "1", "n": 2}, "update": {}}) == 404
    assert backend.code("PUT", path, {"filter": {}, "update": {}}) == 400
    assert backend.code("PUT", path, {"filter": {"_id": "1"}, "update": {"$set": {"n": 1}}}) == 400


def test_pages_have_totals_and_come_in_the_order_of_creation(started: Started) -> None:
    """With and without filter and sort order; collections do not see each other."""
    backend = started()
    backend.documents("POST", [{"_id": str(n), "n": n % 3} for n in range(10)], below="/batch")
    backend.documents("POST", {"n": 0}, of="Others")

    def page(**query: Any) -> tuple[int, str]:
        found = backend.documents("POST", query, below="/listByPage")
        return found["total"], "".join(one["_id"] for one in found["list"])

    assert page(limit=4) == (10, "0123")
    assert page(limit=4, skip=8) == (10, "89")
    assert page(limit=4, skip=99) == (10, "")
    assert page(limit=2, skip=1, filter={"n": 1}) == (3, "47")
    assert page(limit=3, sort={"n": -1}) == (10, "258")
    assert page(limit=9, filter={"n": {"$gt": 0}}, sort={"n": -1, "_id": -1}) == (6, "852741")
    everything = backend.documents("POST", {"sort": {"_id": -1}}, below="/list")
    assert "".join(one["_id"] for one in everything) == "9876543210"


def test_a_walk_over_pages_sees_changes(started: Started) -> None:
    """What is kept for the next page is dropped when the collection changes."""
    backend = started()
    backend.documents("POST", [{"_id": str(n), "n": 1} for n in range(3)], below="/batch")
    query = {"filter": {"n": 1}, "limit": 10}

    def ids() -> list[str]:
        return [one["_id"] for one in backend.documents("POST", query, below="/listByPage")["list"]]

    assert ids() == ids() == ["0", "1", "2"]
    backend.documents("PUT", {"filter": {"_id": "1"}, "update": {"n": 2}})
    assert ids() == ["0", "2"]
    backend.documents("DELETE", below="/0")
    assert ids() == ["2"]
    backend.documents("POST", {"_id": "3", "n": 1})
    assert ids() == ["2", "3"]


def test_large_collections_are_listed_whole(started: Started) -> None:
    """Beyond what is read at a time, with filter, sort order and neither; other callers are answered meanwhile."""
    backend, ended = started(), threading.Event()
    for start in range(0, 3000, 1000):
        rows = [{"_id": str(n), "n": n, "text": "x" * 100} for n in range(start, start + 1000)]
        backend.documents("POST", rows, below="/batch")
    query = {"filter": {"n": {"$gte": 500}}, "sort": {"n": -1}}

    def look() -> int:
        looks = 0
        while not ended.is_set():
            assert other.documents("GET", below="/7")["n"] == 7
            looks += 1
        return looks

    with ThreadPoolExecutor() as pool:
        other = backend.another()
        looking = pool.submit(look)
        found = backend.documents("POST", query, below="/list")
        ended.set()
        assert looking.result() > 0
    assert [one["n"] for one in found] == list(range(2999, 499, -1))
    assert len(backend.documents("POST", {}, below="/list")) == 3000


def test_concurrent_creates_and_updates_lose_nothing(started: Started) -> None:
    """Each document is stored once; fields that different callers set are all there."""
    backend = started()
    backend.documents("POST", {"_id": "shared"})

    def work(number: int) -> None:
        caller = callers[number]
        caller.documents("POST", {"n": number})
        caller.documents("PUT", {"filter": {"_id": "shared"}, "update": {f"by{number}": number}})

    callers = [backend.another() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    shared, *others = backend.documents("POST", {}, below="/list")
    assert sorted(one["n"] for one in others) == list(range(8))
    assert {f"by{number}" for number in range(8)} <= shared.keys()


# Access


NOBODY, INES, ADMIN = Caller(), Caller("ines"), Caller(is_admin=True)
#: Access, caller, owner of the document, and whether it is allowed.
ALLOWED: list[tuple[Access, Caller, str | None, bool]] = [
    ("anyone", NOBODY, "ann", True),
    ("user", NOBODY, None, False),
    ("user", INES, "ann", True),
    ("owner", NOBODY, None, False),
    ("owner", INES, "ann", False),
    ("owner", INES, None, False),
    ("owner", INES, "ines", True),
    ("admin", INES, "ines", False),
    ("admin", ADMIN, "ann", True),
    ("owner", ADMIN, "ann", True),
]


@pytest.mark.parametrize(("access", "caller", "owner", "expected"), ALLOWED)
def test_access_to_a_document(access: Access, caller: Caller, owner: str | None, expected: bool) -> None:
    """Nobody owns what was made without an account; administrators may do everything."""
    assert is_allowed(access, caller, owner) is expected


def private(started: Started) -> tuple[Backend, Backend, Backend, str]:
    """Return an anonymous caller and two users of a private collection, and the id of the first one's document."""
    rules = {"Posts": LumiRule(read="owner", create="user", write="owner")}
    backend = started(rules=rules, admins=["root@example.org"])
    ines, ann = (backend.signed_up(email) for email in ("ines@example.org", "ann@example.org"))
    return backend, ines, ann, ines.documents("POST", {"title": "tap"})["_id"]


def test_others_do_not_see_a_private_document(started: Started) -> None:
    """Not in lists, by id, by filter, by an update or by deleting; its owner and administrators do."""
    backend, ines, ann, document_id = private(started)
    path = f"{backend.project}/Posts/documents"
    assert ann.documents("POST", {}, below="/list") == []
    assert ann.documents("POST", {"filter": {"title": "tap"}, "limit": 5}, below="/listByPage")["total"] == 0
    assert ann.documents("GET", below=f"/{document_id}") is None
    for condition in ({"_id": document_id}, {"title": "tap"}):
        assert ann.code("PUT", path, {"filter": condition, "update": {"title": "x"}}) == 404
    assert ann.documents("DELETE", below=f"/{document_id}") is None
    assert ines.documents("GET", below=f"/{document_id}")["title"] == "tap"
    assert ines.documents("POST", {}, below="/list")[0]["_id"] == document_id
    assert backend.code("GET", f"{path}/{document_id}") == 403
    assert backend.code("POST", path, {}) == 403
    root = backend.signed_up("root@example.org")
    assert root.documents("POST", {"filter": {"title": "tap"}}, below="/list")[0]["_id"] == document_id
    assert root.documents("PUT", {"filter": {"_id": document_id}, "update": {"n": 1}})["n"] == 1


def test_others_may_read_but_not_write_what_has_an_owner(started: Started) -> None:
    """Deleting many, one of which is another's, deletes none."""
    backend = started(rules={"*": LumiRule(create="user", write="owner"), "Open": LumiRule()})
    ines, ann = (backend.signed_up(email) for email in ("ines@example.org", "ann@example.org"))
    hers, mine = (user.documents("POST", {})["_id"] for user in (ines, ann))
    path = f"{backend.project}/Posts/documents"
    assert ann.documents("GET", below=f"/{hers}")["_id"] == hers
    assert ann.code("PUT", path, {"filter": {"_id": hers}, "update": {}}) == 403
    assert ann.code("DELETE", f"{path}/{hers}") == 403
    assert ann.code("DELETE", f"{path}/batch-by-ids", params={"ids": [mine, hers]}) == 403
    assert len(ann.documents("POST", {}, below="/list")) == 2
    assert backend.documents("POST", {}, of="Open")["creator"] is None


def test_the_top_access_key_opens_everything(started: Started) -> None:
    """For hosted functions; a wrong one is refused everywhere."""
    backend, _, _, document_id = private(started)
    top = backend.another(headers={"x-top-access": backend.local.lumi.top_access_key})
    assert top.documents("POST", {}, below="/list")[0]["_id"] == document_id
    assert top.documents("DELETE", below=f"/{document_id}") is None
    wrong = backend.another(headers={"x-top-access": "wrong"})
    assert wrong.code("POST", f"{backend.project}/Posts/documents/list", {}) == 403

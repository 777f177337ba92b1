"""Assertions about every answer, whatever the request."""

import os

import schemathesis
from hypothesis import strategies as st
from schemathesis.graphql import nodes

MEDIA_TYPES = {"application/json", "application/graphql-response+json"}

# The codes of errors for a valid operation.
REFUSALS = {"BAD_USER_INPUT", "CONFLICT", "FORBIDDEN", "NOT_FOUND", "QUERY_TOO_EXPENSIVE"}
# Additional codes for an invalid one.
FAULTS = {"GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"}

# Existing ids, mixed with generated ones: without them, next to nothing would be found.
ids = st.sampled_from(os.environ["IDS"].split(",")) | st.text(max_size=200)
schemathesis.graphql.scalar("ID", ids.map(nodes.String))


@schemathesis.check
def the_answer_is_one_of_those_that_are_documented(ctx, response, case):
    media_type = response.headers["content-type"][0].partition(";")[0]
    assert media_type in MEDIA_TYPES, f"a content type that is not documented: {media_type}"
    answer = response.json()
    assert isinstance(answer, dict) and answer.keys() <= {"data", "errors", "extensions"}, answer
    assert answer.keys() & {"data", "errors"}, answer

    errors = answer.get("errors", [])
    assert "errors" not in answer or errors, "a list of errors without any"
    is_well_formed = case.meta.generation.mode.is_positive
    allowed = REFUSALS if is_well_formed else REFUSALS | FAULTS
    for error in errors:
        assert error["message"], error
        code = error["extensions"]["code"]
        assert code in allowed, f"{code}: {error['message']}"
        if code == "BAD_USER_INPUT":
            assert error["extensions"].get("field"), f"no field: {error}"

    # A failure without data sets the status, if the newer media type is accepted.
    is_whole_failure = "data" not in answer
    is_newer = media_type == "application/graphql-response+json"
    expected = 400 if is_newer and is_whole_failure else 200
    assert response.status_code == expected, f"{response.status_code}: {answer}"

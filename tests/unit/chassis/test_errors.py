"""The codes, reasons and messages of errors that a client sees."""

import json

import pytest

import graphql_streams
from chassis.errors import (
    ClientError,
    Refusal,
    SessionEnded,
    TokenRefused,
    Unauthenticated,
    error_body,
)
from chassis.sessions import sessions_pb2


class TestRefusal:
    @pytest.mark.parametrize("refusal", Refusal)
    def test_refused_token_has_the_reason_and_the_text_of_its_refusal(
        self, refusal: Refusal
    ) -> None:
        error = TokenRefused(refusal)
        assert error.extensions == {"code": "UNAUTHENTICATED", "reason": refusal.name}
        assert str(error) == refusal.value

    @pytest.mark.parametrize(
        ("error", "refusal"),
        [
            (SessionEnded(), Refusal.SESSION_ENDED),
            (graphql_streams.SessionEnded(), Refusal.SESSION_ENDED),
            (graphql_streams.TokenExpired(), Refusal.EXPIRED),
        ],
    )
    def test_errors_of_requests_and_streams_share_reason_and_text(
        self, error: ClientError | graphql_streams.Refused, refusal: Refusal
    ) -> None:
        assert (error.reason, str(error)) == (refusal.name, refusal.value)

    def test_other_message_keeps_the_reason(self) -> None:
        error = TokenRefused(Refusal.INVALID, "No token.")
        assert (str(error), error.reason) == ("No token.", "INVALID")

    def test_grpc_contract_has_the_same_refusals(self) -> None:
        names = {
            name.removeprefix("REFUSAL_") for name in sessions_pb2.Refusal.DESCRIPTOR.values_by_name
        }
        assert names == {"UNSPECIFIED", *Refusal.__members__}


class TestClientError:
    def test_error_without_a_reason_has_only_a_code(self) -> None:
        assert Unauthenticated().extensions == {"code": "UNAUTHENTICATED"}


class TestErrorBody:
    def test_body_is_a_graphql_response_without_data(self) -> None:
        assert json.loads(error_body("FORBIDDEN", "No.")) == {
            "errors": [{"message": "No.", "extensions": {"code": "FORBIDDEN"}}]
        }

    def test_reason_is_beside_the_code(self) -> None:
        (error,) = json.loads(error_body("UNAUTHENTICATED", "No.", "EXPIRED"))["errors"]
        assert error["extensions"] == {"code": "UNAUTHENTICATED", "reason": "EXPIRED"}

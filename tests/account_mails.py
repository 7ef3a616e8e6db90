"""A stand-in for auth's gRPC service `auth.v1.AccountMails`, for tests of the notifier."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import grpc

from notifier import account_mails_pb2 as pb
from notifier.auth_client import SECRET, SERVICE

MAIL_SECRET = "m" * 32


@dataclass
class AccountMailsService:
    """Answers what `answer` returns for the id of a mail, or the status that it raises."""

    answer: Callable[[UUID], pb.GetMailResponse]
    asked: list[UUID] = field(default_factory=list)

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the service, for `Server.add_generic_rpc_handlers`."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "GetMail": grpc.unary_unary_rpc_method_handler(
                    self._get_mail,
                    request_deserializer=pb.GetMailRequest.FromString,
                    response_serializer=pb.GetMailResponse.SerializeToString,
                )
            },
        )

    async def _get_mail(
        self, request: pb.GetMailRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetMailResponse:
        if (SECRET, MAIL_SECRET) not in (context.invocation_metadata() or ()):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "The secret is wrong.")
        mail_id = UUID(request.mail_id)
        self.asked.append(mail_id)
        try:
            return self.answer(mail_id)
        except Refused as refused:
            await context.abort(refused.status, "ada@example.com cannot be told.")
            raise AssertionError from refused


class Refused(Exception):
    """Makes the service answer with a status."""

    def __init__(self, status: grpc.StatusCode) -> None:
        self.status = status


def mail(**changes: Any) -> pb.GetMailResponse:
    """Return a mail that resets a password, with `changes`."""
    values: dict[str, Any] = {
        "kind": pb.KIND_RESET_PASSWORD,
        "address": "ada@example.com",
        "username": "ada",
        "link_path": "/account/reset-password?code=c0de",
        "short_code": "12345678",
        "valid_seconds": 600,
    }
    return pb.GetMailResponse(mail=pb.AccountMail(**(values | changes)))

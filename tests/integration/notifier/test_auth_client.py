"""The client of `auth.v1.AccountMails`, against a real gRPC server in this process."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import grpc
import pytest

from chassis.settings import Secret
from chassis.shutdown import Shutdown
from notifier import account_mails_pb2 as pb
from notifier.auth_client import SERVICE, GrpcAccountMails
from notifier.domain import AccountMail, AccountMailKind, ReportedSignIn
from notifier.errors import ContentFailed, ContentUnavailable, MailNotWanted, UnknownContent
from stack.ports import free_ports
from subgraphs.auth.grpc_server import serving
from tests.account_mails import MAIL_SECRET, AccountMailsService, Refused, mail

Answer = Callable[[UUID], pb.GetMailResponse]


@asynccontextmanager
async def client_of(
    answer: Answer, secret: str = MAIL_SECRET
) -> AsyncIterator[tuple[GrpcAccountMails, AccountMailsService]]:
    """Serve `answer`, and yield a client and the service."""
    service, address = AccountMailsService(answer), f"127.0.0.1:{free_ports(1)[0]}"
    client = GrpcAccountMails(address, Secret(secret))
    async with (
        serving(
            {SERVICE: service.handler()},
            address=address,
            can_answer=_healthy,
            shutdown=Shutdown(),
            reflected=False,
        ),
        client.running(),
    ):
        yield client, service


async def _healthy() -> bool:
    return True


async def fetch(answer: Answer) -> AccountMail:
    async with client_of(answer) as (client, _):
        return await client.fetch(uuid4())


class TestFetch:
    async def test_content_is_that_of_the_mail_asked_for(self) -> None:
        mail_id = uuid4()
        async with client_of(lambda _: mail()) as (client, service):
            assert await client.fetch(mail_id) == AccountMail(
                kind=AccountMailKind.RESET_PASSWORD,
                address="ada@example.com",
                username="ada",
                link_path="/account/reset-password?code=c0de",
                short_code="12345678",
                valid_for=timedelta(minutes=10),
            )
        assert service.asked == [mail_id]

    @pytest.mark.parametrize("kind", [k for k in pb.Kind.values() if k != pb.KIND_UNSPECIFIED])
    async def test_every_kind_of_the_proto_file_is_known(self, kind: pb.Kind) -> None:
        fetched = await fetch(lambda _: mail(kind=kind))
        name = fetched.kind.name
        assert pb.Kind.Name(kind) == f"KIND_{name}"

    async def test_reported_sign_in_is_given(self) -> None:
        sign_in = pb.SignIn(at=1_795_914_299, browser="Firefox", system="")
        fetched = await fetch(lambda _: mail(kind=pb.KIND_NEW_SIGN_IN, sign_in=sign_in))
        at = datetime(2026, 11, 29, 1, 4, 59, tzinfo=UTC)
        assert fetched.sign_in == ReportedSignIn(at, "Firefox", "")

    async def test_reason_of_an_unwanted_mail_is_given(self) -> None:
        with pytest.raises(MailNotWanted, match=r"^the code was used$"):
            await fetch(lambda _: pb.GetMailResponse(not_wanted="the code was used"))

    @pytest.mark.parametrize(
        "answer", [pb.GetMailResponse(), mail(kind=pb.KIND_UNSPECIFIED), mail(kind=99)]
    )
    async def test_content_of_a_newer_release_is_unknown(self, answer: pb.GetMailResponse) -> None:
        with pytest.raises(UnknownContent):
            await fetch(lambda _: answer)

    @pytest.mark.parametrize("status", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNIMPLEMENTED])
    async def test_other_status_is_an_outage_without_its_details(
        self, status: grpc.StatusCode
    ) -> None:
        def answer(_: UUID) -> pb.GetMailResponse:
            raise Refused(status)

        with pytest.raises(ContentUnavailable, match=rf"^auth: {status.name}$"):
            await fetch(answer)

    async def test_failure_at_one_mail_is_no_outage(self) -> None:
        def answer(_: UUID) -> pb.GetMailResponse:
            raise Refused(grpc.StatusCode.INTERNAL)

        with pytest.raises(ContentFailed, match=r"^auth: INTERNAL$"):
            await fetch(answer)

    async def test_wrong_secret_is_an_outage(self) -> None:
        async with client_of(lambda _: mail(), "another") as (client, service):
            with pytest.raises(ContentUnavailable, match=r"^auth: UNAUTHENTICATED$"):
                await client.fetch(uuid4())
        assert service.asked == []

    async def test_absent_server_is_an_outage_until_it_starts(self) -> None:
        address = f"127.0.0.1:{free_ports(1)[0]}"
        client = GrpcAccountMails(address, Secret(MAIL_SECRET))
        async with client.running():
            with pytest.raises(ContentUnavailable):
                await client.fetch(uuid4())

    def test_content_does_not_show_its_address_or_codes(self) -> None:
        shown = repr(
            AccountMail(
                AccountMailKind.VERIFY_EMAIL, "ada@x", "ada", "/a?code=long", "1234", timedelta(1)
            )
        )
        for private in ("ada", "long", "1234"):
            assert private not in shown

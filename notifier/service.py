"""The use cases: reactions to events of other services, and e-mail settings."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from chassis.events import Event
from notifier.addresses import AddressDigests
from notifier.domain import (
    Delivery,
    EmailSettings,
    Recipient,
    Retweet,
    State,
    Tweet,
    UnsubscribeLink,
)
from notifier.events import email_settings_changed
from notifier.ports import Repositories, UnitOfWork


@dataclass(frozen=True, slots=True)
class NotifierService:
    """Each use case is one unit of work.

    An event and its effect are one transaction. Events may arrive in any order: an earlier one has
    no effect after a later one. An event about a retweet or a tweet has its effect once, by its id.
    An event about a user may be repeated, with the same id and newer settings.
    """

    unit_of_work: UnitOfWork
    now: Callable[[], datetime]
    new_id: Callable[[], UUID]
    digests: AddressDigests
    window: timedelta
    message_domain: str

    # -- users -----------------------------------------------------------------------------------

    async def save_user(self, event_id: UUID, user: Recipient) -> None:
        """Save what an event says of a user. Release the mails that waited for it.

        After a change of address the window goes on: for the user, and for the earlier address, so
        that a new account with it does not get a mail early.
        """
        now = self.now()

        async def work(repositories: Repositories) -> None:
            await repositories.inbox.add(event_id, now)
            earlier = await repositories.recipients.lock(user.user_id)
            await repositories.recipients.merge(user)
            if user.email and user.email_verified_at:
                await repositories.addresses.save_verification(user.email, user.email_verified_at)
            known = await repositories.recipients.lock(user.user_id)
            if earlier is None or known is None:
                return
            earliest = await self._window_end(repositories, known.email)
            if known.email != earlier.email:
                await self._leave_window(repositories, earlier)
                if earliest:
                    await repositories.deliveries.postpone(known.user_id, earliest)
            if not known.wait_reason:
                await repositories.deliveries.release(known.user_id, max(now, earliest or now))

        await self.unit_of_work.transaction(work)

    async def forget_user(self, event_id: UUID, user_id: UUID) -> None:
        """Remove all data of a user.

        The window goes on for the address, so that a new account with it does not get a mail early.
        """
        now = self.now()

        async def work(repositories: Repositories) -> None:
            await repositories.inbox.add(event_id, now)
            if user := await repositories.recipients.lock(user_id):
                await self._leave_window(repositories, user)
            await repositories.recipients.delete(user_id, now)

        await self.unit_of_work.transaction(work)

    async def settings(self, ids: Collection[UUID]) -> Mapping[UUID, EmailSettings]:
        """Return the settings of all these users, known or not."""
        known = await self.unit_of_work.read(lambda r: r.recipients.settings(ids))
        return {user_id: known.get(user_id, EmailSettings()) for user_id in ids}

    async def change_settings(
        self, user_id: UUID, *, retweets: bool | None
    ) -> EmailSettings | None:
        """Return the settings from now on, or None for a deleted account.

        `retweets` None leaves the setting unchanged. Switching it on for an unsubscribed address
        has no effect until the reader of the address resubscribes.
        """
        now = self.now()

        async def work(repositories: Repositories) -> EmailSettings | None:
            if retweets is not None:
                return await self._change(repositories, user_id, EmailSettings(retweets), now)
            known = await repositories.recipients.settings([user_id])
            return known.get(user_id, EmailSettings())

        return await self.unit_of_work.transaction(work)

    async def unsubscribe(self, link: UnsubscribeLink) -> None:
        """Suppress all mails about retweets to the address that the link was sent to."""
        now = self.now()

        async def work(repositories: Repositories) -> None:
            digests = await self._lock_digests(repositories, link.user_id)
            if address := link.address or next(iter(digests), None):
                await repositories.addresses.unsubscribe(address, now)
            if digests and (link.address is None or link.address in digests):
                await self._change(repositories, link.user_id, EmailSettings(False), now)

        await self.unit_of_work.transaction(work)

    async def resubscribe(self, link: UnsubscribeLink) -> None:
        """Allow mails to the address of the link again, and switch them on for its account."""
        now = self.now()

        async def work(repositories: Repositories) -> None:
            digests = await self._lock_digests(repositories, link.user_id)
            if link.address and link.address not in digests:
                await repositories.addresses.resubscribe([link.address])
                return
            await repositories.addresses.resubscribe(digests)
            await self._change(repositories, link.user_id, EmailSettings(True), now)

        await self.unit_of_work.transaction(work)

    async def snapshot(self, after: UUID, limit: int) -> Sequence[tuple[UUID, Event]]:
        """Return the events that state the settings of the next users, each with the user's id."""
        known = await self.unit_of_work.read(lambda r: r.recipients.known_after(after, limit))
        return [
            (
                user.user_id,
                email_settings_changed(
                    user.user_id, user.settings or EmailSettings(), user.settings_changed_at
                ),
            )
            for user in known
        ]

    async def _change(
        self, repositories: Repositories, user_id: UUID, settings: EmailSettings, now: datetime
    ) -> EmailSettings | None:
        """Change the settings and return those in effect, or None for a deleted account.

        Publishes the change: auth keeps a copy that outlives the notifier's database.
        """
        at = await repositories.recipients.change_settings(user_id, settings, now)
        if at is None:
            return None
        in_effect = (await repositories.recipients.settings([user_id]))[user_id]
        await repositories.events.add(email_settings_changed(user_id, in_effect, at))
        return in_effect

    async def _lock_digests(self, repositories: Repositories, user_id: UUID) -> Sequence[bytes]:
        """Lock a user; return the digests of their address, the current one first."""
        user = await repositories.recipients.lock(user_id)
        return self.digests.all(user.email) if user and user.email else []

    async def _leave_window(self, repositories: Repositories, user: Recipient) -> None:
        """Keep the user's window for their address, which is about to be without an account."""
        last = user.email and await repositories.deliveries.lock_last(user.user_id)
        if user.email and last:
            end = last.window_end(self.window) if last.first_leased_at else last.due_at
            await repositories.addresses.set_window_end(self.digests.of(user.email), end)

    async def _window_end(self, repositories: Repositories, address: str | None) -> datetime | None:
        """Return the end of a window that an earlier account left behind for the address."""
        if not address:
            return None
        return await repositories.addresses.window_end(self.digests.all(address))

    # -- mails about accounts --------------------------------------------------------------------

    async def add_account_mail(self, event_id: UUID, mail_id: UUID) -> None:
        """Add a mail that auth asks for, due at once. Its content is fetched when it is sent."""
        now = self.now()

        async def work(repositories: Repositories) -> None:
            if not await repositories.inbox.add(event_id, now):
                return
            delivery_id = self.new_id()
            await repositories.deliveries.add(
                Delivery(
                    id=delivery_id,
                    event_id=event_id,
                    recipient_id=None,
                    tweet_id=None,
                    message_id=self._message_id(delivery_id),
                    digest=False,
                    created_at=now,
                    due_at=now,
                    account_mail_id=mail_id,
                )
            )

        await self.unit_of_work.transaction(work)

    # -- tweets and retweets ---------------------------------------------------------------------

    async def report_retweet(self, event_id: UUID, tweet: Tweet, retweet: Retweet) -> None:
        """Add a retweet to a mail to the tweet's author, if they want it or are not known yet."""
        now = self.now()

        async def work(repositories: Repositories) -> None:
            is_new = await repositories.inbox.add(event_id, now)
            if not is_new or retweet.retweeter_id == tweet.author_id:
                return
            author = await repositories.recipients.lock(tweet.author_id)
            if author is None or (author.settings and not author.settings.retweets):
                return
            # The retweeter is locked too: a deletion either removes this retweet or is seen here.
            if await repositories.recipients.lock(retweet.retweeter_id) is None:
                return
            await repositories.retweets.lock(tweet.id)
            if not await repositories.retweets.add_tweet(tweet, now):
                return
            known = await repositories.retweets.latest(tweet.id, retweet.retweeter_id)
            if known and retweet.id <= known.id:
                return
            delivery_id = await _reported_by(repositories, known) or await self._delivery(
                repositories, event_id, author, tweet, now
            )
            await repositories.retweets.save(replace(retweet, delivery_id=delivery_id), now)

        await self.unit_of_work.transaction(work)

    async def undo_retweet(self, event_id: UUID, undone: Retweet) -> None:
        """Take a retweet out of its mail, if the mail was never tried."""
        now = self.now()

        async def work(repositories: Repositories) -> None:
            if not await repositories.inbox.add(event_id, now):
                return
            await repositories.retweets.lock(undone.tweet_id)
            known = await repositories.retweets.latest(undone.tweet_id, undone.retweeter_id)
            if known and known.id > undone.id:
                return
            # The event of the retweet itself may still follow. It must have no effect then.
            retweet = replace(known, id=undone.id, undone=True) if known else undone
            delivery_id = await _reported_by(repositories, known)
            delivery = delivery_id and await repositories.deliveries.lock(delivery_id)
            if delivery and delivery.first_leased_at is None:
                # The author certainly got no mail, so a further retweet is news to them.
                delivery_id = None
                if not delivery.digest:
                    await repositories.deliveries.cancel(delivery.id, "the retweet is undone")
            await repositories.retweets.save(replace(retweet, delivery_id=delivery_id), now)

        await self.unit_of_work.transaction(work)

    async def forget_tweet(self, event_id: UUID, tweet_id: UUID) -> None:
        """Remove a deleted tweet and its retweets."""
        now = self.now()

        async def work(repositories: Repositories) -> None:
            if await repositories.inbox.add(event_id, now):
                await repositories.retweets.lock(tweet_id)
                await repositories.retweets.delete_tweet(tweet_id, now)

        await self.unit_of_work.transaction(work)

    async def _delivery(
        self,
        repositories: Repositories,
        event_id: UUID,
        author: Recipient,
        tweet: Tweet,
        now: datetime,
    ) -> UUID:
        """Return the mail that reports one more retweet: the open digest, or a new mail.

        The first mail to a user is due at once and opens a window. Retweets of any of their tweets
        within the window go into one digest at its end, which opens the next window. While mails
        must wait, all retweets go into one digest.
        """
        last = await repositories.deliveries.lock_last(author.user_id)
        if last and last.takes_more:
            return last.id
        due_at = max(
            now,
            last.window_end(self.window) if last else now,
            await self._window_end(repositories, author.email) or now,
        )
        delivery_id = self.new_id()
        await repositories.deliveries.add(
            Delivery(
                id=delivery_id,
                event_id=event_id,
                recipient_id=author.user_id,
                tweet_id=tweet.id,
                message_id=self._message_id(delivery_id),
                digest=due_at > now or author.wait_reason is not None,
                created_at=now,
                due_at=due_at,
                state=State.WAITING if author.wait_reason else State.PENDING,
            )
        )
        return delivery_id

    def _message_id(self, delivery_id: UUID) -> str:
        return f"<{delivery_id.hex}@{self.message_domain}>"


async def _reported_by(repositories: Repositories, retweet: Retweet | None) -> UUID | None:
    """Return the mail that reports this retweet. None if there is none or it is cancelled."""
    if retweet is None or retweet.delivery_id is None:
        return None
    delivery = await repositories.deliveries.lock(retweet.delivery_id)
    return delivery.id if delivery and delivery.state is not State.CANCELLED else None

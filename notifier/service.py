"""The use cases: what happens here when something has happened elsewhere, and settings."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from chassis.events import Event
from notifier.addresses import AddressDigests
from notifier.domain import (
    Delivery,
    EmailSettings,
    Notice,
    Recipient,
    State,
    Tweet,
    UnsubscribeLink,
)
from notifier.events import (
    Happened,
    RetweetUndone,
    TweetDeleted,
    TweetRetweeted,
    UserDeleted,
    UserRegistered,
    email_settings_changed,
)
from notifier.ports import Repositories, UnitOfWork


@dataclass(frozen=True, slots=True)
class NotifierService:
    """Each use case is one unit of work.

    An event and its effect are one transaction. Events may come in any order: what is known of a
    later one wins over an earlier one that comes after it. A retweet has its effect once, by the
    id of its event. What is known of people may come again, as newer state with the same id.
    """

    unit_of_work: UnitOfWork
    now: Callable[[], datetime]
    new_id: Callable[[], UUID]
    digests: AddressDigests
    window: timedelta
    message_domain: str

    async def handle(self, event_id: UUID, happened: Happened) -> None:
        now = self.now()

        async def work(repositories: Repositories) -> None:
            is_new = await repositories.inbox.add(event_id, now)
            if not is_new and not isinstance(happened, UserRegistered | UserDeleted):
                return
            match happened:
                case UserRegistered():
                    await self._user_registered(repositories, happened, now)
                case UserDeleted():
                    await self._user_deleted(repositories, happened, now)
                case TweetRetweeted():
                    await self._retweeted(repositories, event_id, happened, now)
                case RetweetUndone():
                    await self._undone(repositories, happened, now)
                case TweetDeleted():
                    await repositories.retweets.hold(happened.tweet_id)
                    await repositories.retweets.delete_tweet(happened.tweet_id, now)

        await self.unit_of_work.transaction(work)

    async def settings(self, ids: Collection[UUID]) -> Mapping[UUID, EmailSettings]:
        """Of all these people; nobody has to be known."""
        known = await self.unit_of_work.read(lambda r: r.recipients.settings(ids))
        return {user_id: known.get(user_id, EmailSettings()) for user_id in ids}

    async def change_settings(
        self, user_id: UUID, *, retweets: bool | None
    ) -> EmailSettings | None:
        """Return the settings from now on, or None for a deleted account.

        None leaves a setting as it is. What is switched on for an address that has unsubscribed
        has no effect before the reader of the address resubscribes.
        """
        now = self.now()

        async def work(repositories: Repositories) -> EmailSettings | None:
            if retweets is not None:
                return await self._change(repositories, user_id, EmailSettings(retweets), now)
            known = await repositories.recipients.settings([user_id])
            return known.get(user_id, EmailSettings())

        return await self.unit_of_work.transaction(work)

    async def unsubscribe(self, link: UnsubscribeLink) -> None:
        """End all mails about retweets to the address that the link was sent to."""
        now = self.now()

        async def work(repositories: Repositories) -> None:
            digests = await self._digests_of(repositories, link.user_id)
            if address := link.address or next(iter(digests), None):
                await repositories.addresses.unsubscribe(address, now)
            if digests and (link.address is None or link.address in digests):
                await self._change(repositories, link.user_id, EmailSettings(False), now)

        await self.unit_of_work.transaction(work)

    async def resubscribe(self, link: UnsubscribeLink) -> None:
        """Allow mails to the address of the link again, and switch them on for its account."""
        now = self.now()

        async def work(repositories: Repositories) -> None:
            digests = await self._digests_of(repositories, link.user_id)
            if link.address and link.address not in digests:
                await repositories.addresses.resubscribe([link.address])
                return
            await repositories.addresses.resubscribe(digests)
            await self._change(repositories, link.user_id, EmailSettings(True), now)

        await self.unit_of_work.transaction(work)

    async def _digests_of(self, repositories: Repositories, user_id: UUID) -> Sequence[bytes]:
        """Lock a person; return the digests of their address, the current one first."""
        person = await repositories.recipients.hold(user_id)
        return self.digests.all(person.email) if person and person.email else []

    async def snapshot(self, after: UUID, limit: int) -> Sequence[tuple[UUID, Event]]:
        """Return the events that make the settings of the next people, each with its id."""
        known = await self.unit_of_work.read(lambda r: r.recipients.known_after(after, limit))
        return [
            (
                each.user_id,
                email_settings_changed(
                    each.user_id, each.settings or EmailSettings(), each.settings_changed_at
                ),
            )
            for each in known
        ]

    async def _change(
        self, repositories: Repositories, user_id: UUID, settings: EmailSettings, now: datetime
    ) -> EmailSettings | None:
        """Change the settings and return those in effect, or None for a deleted account.

        Auth keeps them as well: they would be lost with the notifier's database.
        """
        at = await repositories.recipients.change_settings(user_id, settings, now)
        if at is None:
            return None
        in_effect = (await repositories.recipients.settings([user_id]))[user_id]
        await repositories.events.add(email_settings_changed(user_id, in_effect, at))
        return in_effect

    async def _user_registered(
        self, repositories: Repositories, event: UserRegistered, now: datetime
    ) -> None:
        settings = EmailSettings(event.retweets)
        await repositories.recipients.register(
            Recipient(event.user_id, settings, event.username, event.email, event.changed_at)
        )
        resting_until = await self._resting_until(repositories, event.email)
        await repositories.deliveries.release(event.user_id, max(now, resting_until or now))

    async def _user_deleted(
        self, repositories: Repositories, event: UserDeleted, now: datetime
    ) -> None:
        """The window goes on for the address: a new account must not begin another one."""
        person = await repositories.recipients.hold(event.user_id)
        last = person and await repositories.deliveries.last_to(event.user_id)
        if person and person.email and last:
            rests = last.window_ends(self.window) if last.taken_at else last.due_at
            await repositories.addresses.rest(self.digests.of(person.email), rests)
        await repositories.recipients.delete(event.user_id, now)

    async def _retweeted(
        self, repositories: Repositories, event_id: UUID, event: TweetRetweeted, now: datetime
    ) -> None:
        if event.retweeter_id == event.author_id:
            return
        author = await repositories.recipients.hold(event.author_id)
        if author is None or (author.settings and not author.settings.retweets):
            return
        # Locked as well: their deletion removes this notice, or has been seen here.
        if await repositories.recipients.hold(event.retweeter_id) is None:
            return
        await repositories.retweets.hold(event.tweet_id)
        tweet = Tweet(event.tweet_id, event.author_id, event.text)
        if not await repositories.retweets.add_tweet(tweet, now):
            return
        earlier = await repositories.retweets.notice(event.tweet_id, event.retweeter_id)
        if earlier and event.retweet_id <= earlier.retweet_id:
            return
        delivery_id = await _standing(repositories, earlier) or await self._delivery(
            repositories, event_id, author, tweet, now
        )
        await repositories.retweets.save(
            Notice(
                tweet_id=event.tweet_id,
                retweeter_id=event.retweeter_id,
                retweet_id=event.retweet_id,
                username=event.retweeter_username,
                delivery_id=delivery_id,
            ),
            now,
        )

    async def _delivery(
        self,
        repositories: Repositories,
        event_id: UUID,
        author: Recipient,
        tweet: Tweet,
        now: datetime,
    ) -> UUID:
        """Return the mail that will report one more retweet: the open digest, or a new one.

        The first to a person goes at once. Whatever follows within the window, about whichever of
        their tweets, goes together at its end, and that opens the next window. Without an address
        all of it goes together.
        """
        last = await repositories.deliveries.last_to(author.user_id)
        if last and last.takes_more:
            return last.id
        if last:
            earliest: datetime | None = last.window_ends(self.window)
        else:
            earliest = await self._resting_until(repositories, author.email)
        due_at = max(now, earliest or now)
        delivery_id = self.new_id()
        await repositories.deliveries.add(
            Delivery(
                id=delivery_id,
                event_id=event_id,
                recipient_id=author.user_id,
                tweet_id=tweet.id,
                message_id=f"<{delivery_id.hex}@{self.message_domain}>",
                digest=due_at > now or not author.email,
                created_at=now,
                due_at=due_at,
                state=State.PENDING if author.email else State.WAITING,
            )
        )
        return delivery_id

    async def _resting_until(
        self, repositories: Repositories, address: str | None
    ) -> datetime | None:
        if not address:
            return None
        return await repositories.addresses.resting_until(self.digests.all(address))

    async def _undone(
        self, repositories: Repositories, event: RetweetUndone, now: datetime
    ) -> None:
        await repositories.retweets.hold(event.tweet_id)
        known = await repositories.retweets.notice(event.tweet_id, event.retweeter_id)
        if known is None or known.retweet_id < event.retweet_id:
            # It came before the event of the retweet itself, which must then do nothing.
            known = replace(
                known or Notice(event.tweet_id, event.retweeter_id, event.retweet_id),
                retweet_id=event.retweet_id,
            )
        elif known.retweet_id > event.retweet_id:
            return
        delivery_id = await _standing(repositories, known)
        delivery = delivery_id and await repositories.deliveries.held(delivery_id)
        if delivery and delivery.taken_at is None:
            # Certainly not told: should they retweet it again, that is news.
            delivery_id = None
            if not delivery.digest:
                await repositories.deliveries.cancel(delivery.id, "the retweet was undone")
        await repositories.retweets.save(replace(known, undone=True, delivery_id=delivery_id), now)


async def _standing(repositories: Repositories, notice: Notice | None) -> UUID | None:
    """The mail that tells, told or will tell of this retweet, if there is one."""
    if notice is None or notice.delivery_id is None:
        return None
    delivery = await repositories.deliveries.held(notice.delivery_id)
    return delivery.id if delivery and delivery.state is not State.CANCELLED else None

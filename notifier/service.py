"""The use cases: what happens here when something has happened elsewhere, and settings."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from chassis.events import Event
from notifier.domain import Delivery, EmailSettings, Notice, Recipient, State, Tweet
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
                    await repositories.recipients.delete(happened.user_id, now)
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

    async def change_settings(self, user_id: UUID, *, retweets: bool | None) -> EmailSettings:
        """None leaves a setting as it is."""
        now = self.now()

        async def work(repositories: Repositories) -> EmailSettings:
            if retweets is not None:
                await self._change(repositories, user_id, EmailSettings(retweets), now)
            known = await repositories.recipients.settings([user_id])
            return known.get(user_id, EmailSettings())

        return await self.unit_of_work.transaction(work)

    async def unsubscribe(self, user_id: UUID) -> None:
        """From mails about retweets."""
        await self.change_settings(user_id, retweets=False)

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
    ) -> None:
        """Auth keeps the settings as well: they would be lost with the notifier's database."""
        at = await repositories.recipients.change_settings(user_id, settings, now)
        if at is not None:
            await repositories.events.add(email_settings_changed(user_id, settings, at))

    async def _user_registered(
        self, repositories: Repositories, event: UserRegistered, now: datetime
    ) -> None:
        settings = EmailSettings(event.retweets)
        await repositories.recipients.register(
            Recipient(event.user_id, settings, event.username, event.email, event.changed_at)
        )
        await repositories.deliveries.release(event.user_id, now)

    async def _retweeted(
        self, repositories: Repositories, event_id: UUID, event: TweetRetweeted, now: datetime
    ) -> None:
        if event.retweeter_id == event.author_id:
            return
        author = await repositories.recipients.hold(event.author_id)
        if author is None or (author.settings and not author.settings.retweets):
            return
        if await repositories.recipients.is_deleted(event.retweeter_id):
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
        """The mail that will tell of one more retweet: the digest that is filling up, or a new one.

        The first about a tweet goes at once. Whatever follows within the window goes together at
        its end, and that opens the next window. Without an address all of it goes together.
        """
        last = await repositories.deliveries.last_about(tweet.id)
        if last and last.takes_more:
            return last.id
        due_at = max(now, last.window_ends(self.window)) if last else now
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

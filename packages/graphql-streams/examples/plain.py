from graphql import build_schema

from graphql_streams import Caller, Streams
from graphql_streams.graphql_core import subscriptions

schema = build_schema("type Query { a: Int } type Subscription { countdown(from: Int!): Int! }")


async def countdown(root, info, **arguments):
    for number in range(arguments["from"], -1, -1):
        yield {"countdown": number}


async def authenticate(handshake):
    return Caller(id="anyone")


schema.subscription_type.fields["countdown"].subscribe = countdown
app = Streams(subscriptions(schema), authenticate)

from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Refusal(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REFUSAL_UNSPECIFIED: _ClassVar[Refusal]
    REFUSAL_INVALID: _ClassVar[Refusal]
    REFUSAL_EXPIRED: _ClassVar[Refusal]
    REFUSAL_SESSION_ENDED: _ClassVar[Refusal]
REFUSAL_UNSPECIFIED: Refusal
REFUSAL_INVALID: Refusal
REFUSAL_EXPIRED: Refusal
REFUSAL_SESSION_ENDED: Refusal

class VerifyTokenRequest(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: str
    def __init__(self, token: _Optional[str] = ...) -> None: ...

class VerifyTokenResponse(_message.Message):
    __slots__ = ("principal", "refusal")
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    principal: Principal
    refusal: Refusal
    def __init__(self, principal: _Optional[_Union[Principal, _Mapping]] = ..., refusal: _Optional[_Union[Refusal, str]] = ...) -> None: ...

class Principal(_message.Message):
    __slots__ = ("user_id", "username", "scopes", "session_id", "expires_at")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    username: str
    scopes: _containers.RepeatedScalarFieldContainer[str]
    session_id: str
    expires_at: int
    def __init__(self, user_id: _Optional[str] = ..., username: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ..., session_id: _Optional[str] = ..., expires_at: _Optional[int] = ...) -> None: ...

class CheckSessionsRequest(_message.Message):
    __slots__ = ("session_ids",)
    SESSION_IDS_FIELD_NUMBER: _ClassVar[int]
    session_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, session_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class CheckSessionsResponse(_message.Message):
    __slots__ = ("ended_session_ids",)
    ENDED_SESSION_IDS_FIELD_NUMBER: _ClassVar[int]
    ended_session_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ended_session_ids: _Optional[_Iterable[str]] = ...) -> None: ...

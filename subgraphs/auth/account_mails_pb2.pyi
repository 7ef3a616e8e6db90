from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KIND_UNSPECIFIED: _ClassVar[Kind]
    KIND_VERIFY_EMAIL: _ClassVar[Kind]
    KIND_CHANGE_EMAIL: _ClassVar[Kind]
    KIND_RESET_PASSWORD: _ClassVar[Kind]
    KIND_EMAIL_CHANGED: _ClassVar[Kind]
    KIND_PASSWORD_CHANGED: _ClassVar[Kind]
    KIND_NEW_SIGN_IN: _ClassVar[Kind]
    KIND_ACCOUNT_DISABLED: _ClassVar[Kind]
    KIND_ACCOUNT_ENABLED: _ClassVar[Kind]
    KIND_SESSIONS_ENDED: _ClassVar[Kind]
    KIND_RESET_REQUIRED: _ClassVar[Kind]
    KIND_ACCOUNT_DELETED: _ClassVar[Kind]
    KIND_PASSWORD_BREACHED: _ClassVar[Kind]
    KIND_ROLES_CHANGED: _ClassVar[Kind]
KIND_UNSPECIFIED: Kind
KIND_VERIFY_EMAIL: Kind
KIND_CHANGE_EMAIL: Kind
KIND_RESET_PASSWORD: Kind
KIND_EMAIL_CHANGED: Kind
KIND_PASSWORD_CHANGED: Kind
KIND_NEW_SIGN_IN: Kind
KIND_ACCOUNT_DISABLED: Kind
KIND_ACCOUNT_ENABLED: Kind
KIND_SESSIONS_ENDED: Kind
KIND_RESET_REQUIRED: Kind
KIND_ACCOUNT_DELETED: Kind
KIND_PASSWORD_BREACHED: Kind
KIND_ROLES_CHANGED: Kind

class GetMailRequest(_message.Message):
    __slots__ = ("mail_id",)
    MAIL_ID_FIELD_NUMBER: _ClassVar[int]
    mail_id: str
    def __init__(self, mail_id: _Optional[str] = ...) -> None: ...

class GetMailResponse(_message.Message):
    __slots__ = ("mail", "not_wanted")
    MAIL_FIELD_NUMBER: _ClassVar[int]
    NOT_WANTED_FIELD_NUMBER: _ClassVar[int]
    mail: AccountMail
    not_wanted: str
    def __init__(self, mail: _Optional[_Union[AccountMail, _Mapping]] = ..., not_wanted: _Optional[str] = ...) -> None: ...

class AccountMail(_message.Message):
    __slots__ = ("kind", "address", "username", "link_path", "short_code", "valid_seconds", "sign_in")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    LINK_PATH_FIELD_NUMBER: _ClassVar[int]
    SHORT_CODE_FIELD_NUMBER: _ClassVar[int]
    VALID_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SIGN_IN_FIELD_NUMBER: _ClassVar[int]
    kind: Kind
    address: str
    username: str
    link_path: str
    short_code: str
    valid_seconds: int
    sign_in: SignIn
    def __init__(self, kind: _Optional[_Union[Kind, str]] = ..., address: _Optional[str] = ..., username: _Optional[str] = ..., link_path: _Optional[str] = ..., short_code: _Optional[str] = ..., valid_seconds: _Optional[int] = ..., sign_in: _Optional[_Union[SignIn, _Mapping]] = ...) -> None: ...

class SignIn(_message.Message):
    __slots__ = ("at", "browser", "system")
    AT_FIELD_NUMBER: _ClassVar[int]
    BROWSER_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    at: int
    browser: str
    system: str
    def __init__(self, at: _Optional[int] = ..., browser: _Optional[str] = ..., system: _Optional[str] = ...) -> None: ...

# Generated from services.toml. Change that file and run: make generate
# shellcheck shell=sh disable=SC2034
# The services, for the scripts that source this file.
project=chirp
services="auth tweets notifier explorer"
subgraphs="auth tweets notifier"
databases="auth tweets notifier"
images="auth tweets notifier explorer prober router edge-config"
# For each secret that a service declares: service, setting, kind of value.
secrets="auth AUTH_REFRESH_SECRET random
auth AUTH_CODE_SECRET random
auth ACCOUNT_MAIL_SECRET random
notifier NOTIFIER_UNSUBSCRIBE_SECRET random
notifier ACCOUNT_MAIL_SECRET random"
# For each file with a secret: service, name of the file, kind of content.
secret_files="auth auth-signing-keys signing-keys"

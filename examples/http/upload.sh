#!/bin/sh
# Upload files with curl and wait until they can be asked about.
#     sh examples/http/upload.sh examples/files/en/warranty.docx examples/files/en/stores.csv
# FRONTDESK_API_URL, FRONTDESK_API_KEY and FRONTDESK_KB say where, with which key, and which knowledge base.
set -eu
kb=${FRONTDESK_API_URL:-http://127.0.0.1:8000}/api/knowledge-bases/${FRONTDESK_KB:-default}
# The same files have the same key: sent twice, for example after a lost connection, they are taken once.
key=$(sha256sum "$@" | sha256sum | cut -c 1-32)

call() {
  curl --silent --show-error --fail-with-body \
    ${FRONTDESK_API_KEY:+--header "Authorization: Bearer $FRONTDESK_API_KEY"} "$@"
}

parts=$#
while [ "$parts" -gt 0 ]; do
  set -- "$@" --form "files=@\"$1\""
  shift
  parts=$((parts - 1))
done
call "$@" --header "Idempotency-Key: $key" "$kb/documents" >/dev/null
until call "$kb" | grep -q '"in_progress":0,'; do
  sleep 1
done
call "$kb"
echo
# Why a file could not be read is said here.
call "$kb/documents?state=failed"
echo

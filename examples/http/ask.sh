#!/bin/sh
# A question with curl; the answer comes as server-sent events while it is written.
#     sh examples/http/ask.sh "How long is the motor of the WM-900 guaranteed?"
# FRONTDESK_API_URL, FRONTDESK_API_KEY and FRONTDESK_KB say where, with which key, and which knowledge base.
set -eu
url=${FRONTDESK_API_URL:-http://127.0.0.1:8000}
question=$(printf '%s' "$1" | sed 's/[\\"]/\\&/g')

curl --silent --show-error --fail-with-body --no-buffer "$url/api/chat" \
  ${FRONTDESK_API_KEY:+--header "Authorization: Bearer $FRONTDESK_API_KEY"} \
  --header 'Content-Type: application/json' \
  --data "{\"question\": \"$question\", \"kb\": \"${FRONTDESK_KB:-default}\"}"

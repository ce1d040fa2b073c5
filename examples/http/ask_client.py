"""A question through frontdesk's own typed client, which the pages use, too. It needs httpx and httpx-sse only.

python examples/http/ask_client.py "How long is the motor of the WM-900 guaranteed?"
"""

import os
import sys

from ui.client import ApiError, Client
from ui.wire import Done, Retracted, Sentence

url = os.environ.get("FRONTDESK_API_URL", "http://127.0.0.1:8000")
with Client(url, os.environ.get("FRONTDESK_API_KEY")) as client:
    try:
        for event in client.chat(sys.argv[1], kb=os.environ.get("FRONTDESK_KB", "default")):
            match event:
                case Sentence(text=text):
                    print(text, end=" ", flush=True)
                case Retracted():
                    print("\n(once more)")
                case Done(answer=answer):
                    # A refusal has no sentences: its text comes with the whole answer.
                    print("" if answer.outcome == "answered" else answer.answer)
                    for source in answer.citations:
                        print(f"  [{source.n}] {source.document}, {source.heading}")
    except ApiError as error:
        sys.exit(str(error))

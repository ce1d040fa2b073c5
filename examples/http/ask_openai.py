"""A question through OpenAI's client, streamed; the last chunk carries the sources.

python examples/http/ask_openai.py "How long is the motor of the WM-900 guaranteed?"
"""

import os
import sys

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("FRONTDESK_API_URL", "http://127.0.0.1:8000") + "/v1",
    # The client wants a key even where the server has none.
    api_key=os.environ.get("FRONTDESK_API_KEY", "none"),
)
chunks = client.chat.completions.create(
    model=os.environ.get("FRONTDESK_KB", "default"),
    messages=[{"role": "user", "content": sys.argv[1]}],
    stream=True,
)
for chunk in chunks:
    choice = chunk.choices[0]
    print(choice.delta.content or "", end="", flush=True)
    if choice.finish_reason:
        print()
        # Not part of OpenAI's format; without streaming they are in reply.choices[0].message.citations.
        for source in chunk.citations:
            print(f"  [{source['n']}] {source['document']}, {source['heading']}")

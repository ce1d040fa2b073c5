"""A question through LangChain's ChatOpenAI. It drops fields it does not know, so sources show as [n] marks only.

python examples/http/ask_langchain.py "How long is the motor of the WM-900 guaranteed?"
"""

import os
import sys

from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    model=os.environ.get("FRONTDESK_KB", "default"),
    base_url=os.environ.get("FRONTDESK_API_URL", "http://127.0.0.1:8000") + "/v1",
    # It wants a key even where the server has none.
    api_key=os.environ.get("FRONTDESK_API_KEY", "none"),
)
for piece in model.stream(sys.argv[1]):
    print(piece.content, end="", flush=True)
print()

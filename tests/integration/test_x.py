import asyncio, socket, pytest
from tests.fakes import *
def test_a():
    m = ScriptedChatModel(pieces=["a","b"], error=ValueError("x"))
    async def go():
        got=[]
        try:
            async for c in m.astream("hi"): got.append(c.content)
        except ValueError: got.append("E")
        return got
    print(asyncio.run(go()), m.asked)
    assert ScriptedChatModel().asked == []
@pytest.mark.gpu
def test_g(): pass
def test_block():
    socket.create_connection(("127.0.0.1", 1))

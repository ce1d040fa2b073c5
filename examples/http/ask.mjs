// A question from JavaScript, streamed, without a package (Node 18 or later).
//     node examples/http/ask.mjs "How long is the motor of the WM-900 guaranteed?"
const url = process.env.FRONTDESK_API_URL ?? "http://127.0.0.1:8000";
const key = process.env.FRONTDESK_API_KEY;
// Keep the key on your server: whoever has it can upload and delete, too.

async function* ask(question, kb) {
  const reply = await fetch(`${url}/api/chat`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(key && { Authorization: `Bearer ${key}` }) },
    body: JSON.stringify({ question, kb }),
  });
  if (!reply.ok) throw new Error((await reply.json()).error.message);
  let buffer = "";
  for await (const text of reply.body.pipeThrough(new TextDecoderStream())) {
    buffer += text;
    const blocks = buffer.split("\n\n");
    buffer = blocks.pop();
    for (const block of blocks) {
      // Lines that begin with a colon are comments: they keep the connection alive.
      const fields = Object.fromEntries(
        block.split("\n").filter((line) => !line.startsWith(":")).map((line) => line.split(/: (.*)/s)),
      );
      if (fields.event) yield { event: fields.event, data: JSON.parse(fields.data) };
    }
  }
}

try {
  for await (const { event, data } of ask(process.argv[2], process.env.FRONTDESK_KB ?? "default")) {
    if (event === "sentence") process.stdout.write(`${data.text} `);
    if (event === "retracted") process.stdout.write("\n(once more)\n");
    if (event === "error") throw new Error(data.error.message);
    if (event === "done") {
      // A refusal has no sentences: its text comes with the whole answer.
      console.log(data.outcome === "answered" ? "" : data.answer);
      for (const source of data.citations) console.log(`  [${source.n}] ${source.document}, ${source.heading}`);
    }
  }
} catch (problem) {
  console.error(problem.message);
  process.exitCode = 1;
}

from pathlib import Path
def parse(path):
    s=path.suffix
    from ingest.parse import html,markdown,text
    f={'.md':markdown.parse_markdown,'.html':html.parse_html,'.txt':text.parse_text,'.csv':text.parse_csv}.get(s)
    if f is None:
        from ingest.errors import UnsupportedFormat
        raise UnsupportedFormat("x")
    return f(path,path.name)

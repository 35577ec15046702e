"""Names that a page must show and never run."""

HOSTILE = (
    "</script><script>window.hit=1</script>",
    "<script>window.hit=2</script>",
    "<img src=x onerror=window.hit=3>",
    "<svg/onload=window.hit=4>",
    '" onmouseover="window.hit=5" x="',
    "' autofocus onfocus='window.hit=6",
    "--><script>window.hit=7</script><!--",
    '<a href="javascript:window.hit=8">go</a>',
    "javascript:window.hit=9",
    "{{ 7 * 7 }}{% raw %}${window.hit=10}%{x}",
    "</title></style></textarea><script>window.hit=11</script>",
    "<!--<script>",
    "]]><b>bold</b>&lt;i&gt;&amp;",
    "bell\x07 null\x00 escape\x1b[31m line\nfeed tab\t\x7f\x85",
    "right\u202eto left\u2066 mark\u200f zero\u200bwidth\ufeff separator\u2028\u2029",
    "lone \ud800 surrogate __proto__",
)

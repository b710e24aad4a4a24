"""The known shapes of secrets: a table of our own, after what providers publish about their keys.

Each shape has beginnings that a text must hold before its pattern is tried, so a text without any costs a few look-ups.
What is masked is the pattern's group `secret`, or all of it where there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

LEAST_VARIED = 12
"""A secret of so many characters is no repetition of a few."""


class Shape(NamedTuple):
    """One kind of secret."""

    kind: str
    """What it is called where it stood."""
    beginnings: tuple[str, ...]
    """In small letters: one of them stands in each text that holds such a secret."""
    pattern: re.Pattern[str]


class FoundSecret(NamedTuple):
    """A secret in a text, from `start` to `end`."""

    kind: str
    start: int
    end: int


_ALONE = r"(?<![A-Za-z0-9_])"
"""Nothing that a longer word would go on with stands before."""
_ENDS = r"(?![A-Za-z0-9_])"

_TOKENS = [
    ("AWS access key", ("abia", "acca", "akia", "asia"), r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"),
    ("GitHub token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    ("GitHub token", ("github_pat_",), r"github_pat_[A-Za-z0-9_]{22,255}"),
    (
        "GitLab token",
        (
            "glpat-",
            "glptt-",
            "gldt-",
            "glrt-",
            "glft-",
            "glsoat-",
            "glcbt-",
            "glimt-",
            "glagent-",
            "gloas-",
            "glffct-",
        ),
        r"gl(?:pat|ptt|dt|rt|ft|soat|cbt|imt|agent|oas|ffct)-[A-Za-z0-9_.-]{20,255}",
    ),
    ("Slack token", ("xox",), r"xox[abeoprs]-[A-Za-z0-9-]{10,250}"),
    ("Slack token", ("xapp-",), r"xapp-[0-9]-[A-Za-z0-9-]{20,250}"),
    (
        "Slack webhook",
        ("hooks.slack.com",),
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/_-]{20,250}",
    ),
    (
        "Discord webhook",
        ("discord",),
        r"discord(?:app)?\.com/api/webhooks/[0-9]{15,22}/[A-Za-z0-9_-]{50,100}",
    ),
    ("Teams webhook", ("webhook.office.com",), r"webhook\.office\.com/webhookb2/[A-Za-z0-9@/-]{60,300}"),
    ("Anthropic key", ("sk-ant-",), r"sk-ant-[a-z0-9]{3,10}-[A-Za-z0-9_-]{20,250}"),
    ("OpenRouter key", ("sk-or-",), r"sk-or-(?:v1-)?[A-Za-z0-9]{32,128}"),
    ("OpenAI key", ("sk-",), r"sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,250}"),
    ("OpenAI key", ("sk-",), r"sk-[A-Za-z0-9]{16,64}T3BlbkFJ[A-Za-z0-9]{16,64}"),
    ("API key", ("sk-",), r"sk-(?=[A-Za-z0-9]{0,60}[0-9])(?=[A-Za-z0-9]{0,60}[A-Za-z])[A-Za-z0-9]{32,64}"),
    ("Stripe key", ("rk_", "sk_"), r"(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{16,250}"),
    ("Stripe secret", ("whsec_",), r"whsec_[A-Za-z0-9+/=]{24,128}"),
    ("Google key", ("aiza",), r"AIza[A-Za-z0-9_-]{35}"),
    ("Google secret", ("gocspx-",), r"GOCSPX-[A-Za-z0-9_-]{24,40}"),
    ("Google token", ("ya29.",), r"ya29\.[A-Za-z0-9_-]{20,500}"),
    ("Hugging Face token", ("api_org_", "hf_"), r"(?:hf|api_org)_[A-Za-z0-9]{30,40}"),
    ("Groq key", ("gsk_",), r"gsk_[A-Za-z0-9]{40,60}"),
    ("xAI key", ("xai-",), r"xai-[A-Za-z0-9]{60,90}"),
    ("Perplexity key", ("pplx-",), r"pplx-[A-Za-z0-9]{40,64}"),
    ("Replicate token", ("r8_",), r"r8_[A-Za-z0-9]{30,45}"),
    ("mem0 key", ("m0-",), r"m0-[A-Za-z0-9]{32,64}"),
    ("npm token", ("npm_",), r"npm_[A-Za-z0-9]{36}"),
    ("PyPI token", ("pypi-age",), r"pypi-AgE[A-Za-z0-9_-]{40,500}"),
    ("RubyGems key", ("rubygems_",), r"rubygems_[a-f0-9]{48}"),
    ("crates.io token", ("cio",), r"cio[A-Za-z0-9]{32}"),
    ("Docker Hub token", ("dckr_",), r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,60}"),
    ("DigitalOcean token", ("doo_v1_", "dop_v1_", "dor_v1_"), r"do[opr]_v1_[a-f0-9]{64}"),
    ("Heroku key", ("hrku-",), r"HRKU-[A-Za-z0-9_-]{36,80}"),
    (
        "Fly.io token",
        ("fo1_", "fm1_", "fm2_", "fm1r_", "fm2r_"),
        r"(?:fo1_[A-Za-z0-9_-]{40,60}|fm[12]r?_[A-Za-z0-9+/=_-]{80,500})",
    ),
    ("Cloudflare key", ("v1.0-",), r"v1\.0-[a-f0-9]{24}-[a-f0-9]{100,180}"),
    ("Databricks token", ("dapi",), r"dapi[a-f0-9]{32}(?:-[0-9])?"),
    ("SendGrid key", ("sg.",), r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}"),
    ("Mailgun key", ("key-",), r"key-[a-f0-9]{32}"),
    ("Mailchimp key", ("-us",), r"[a-f0-9]{32}-us[0-9]{1,2}"),
    ("Brevo key", ("xkeysib-",), r"xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}"),
    ("Twilio key", ("sk",), r"SK[a-f0-9]{32}"),
    ("Telegram token", (":aa",), r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"),
    ("Discord token", (".",), r"[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}"),
    ("Shopify token", ("shp",), r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    (
        "Square token",
        ("csp", "eaaa", "idp", "sq0"),
        r"(?:sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,43}|EAAA[A-Za-z0-9_-]{56,64})",
    ),
    ("Linear key", ("lin_",), r"lin_(?:api|oauth)_[A-Za-z0-9]{32,64}"),
    ("Notion token", ("ntn_", "secret_"), r"(?:ntn_[A-Za-z0-9]{40,50}|secret_[A-Za-z0-9]{43})"),
    ("Figma token", ("fig",), r"fig[dor]_[A-Za-z0-9_-]{40,60}"),
    ("Airtable token", ("pat",), r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}"),
    ("Atlassian token", ("atatt3",), r"ATATT3[A-Za-z0-9_=-]{50,300}"),
    ("Postman key", ("pmak-",), r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    ("Grafana token", ("glc_", "glsa_"), r"gl(?:c|sa)_[A-Za-z0-9+/=_]{32,400}"),
    ("New Relic key", ("nrak-", "nrii-", "nrjs-"), r"NR(?:AK|II|JS)-[A-Za-z0-9_-]{19,40}"),
    ("Sentry token", ("sntry",), r"sntry[su]_[A-Za-z0-9+/=_.-]{40,400}"),
    ("Supabase key", ("sb_secret_", "sbp_"), r"(?:sbp_[a-f0-9]{40}|sb_secret_[A-Za-z0-9_-]{20,80})"),
    ("Vault token", ("hvs.", "hvb.", "hvr."), r"hv[sbr]\.[A-Za-z0-9_-]{24,300}"),
    ("Terraform token", (".atlasv1.",), r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{60,80}"),
    ("Doppler token", ("dp.",), r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}"),
    ("PlanetScale token", ("pscale_",), r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9=._-]{32,64}"),
    ("age key", ("age-secret-key-1",), r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
    ("Azure secret", ("8q~",), r"[A-Za-z0-9_~.]{3}8Q~[A-Za-z0-9_~.-]{34}"),
    ("1Password token", ("ops_eyj",), r"ops_eyJ[A-Za-z0-9+/=_-]{100,2000}"),
    (
        "JSON Web Token",
        ("eyj",),
        r"eyJ[A-Za-z0-9_-]{8,1000}\.eyJ[A-Za-z0-9_-]{8,8000}\.[A-Za-z0-9_-]{10,4000}",
    ),
]
"""Keys and tokens, each a word of its own."""

_OTHERS = [
    (
        "private key",
        ("-----begin",),
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!----)){0,20000}+"
        r"(?:-----END [A-Z0-9 ]{0,60}-----)?",
    ),
    (
        "password",
        ("://",),
        r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{0,40}://[^\s/:@'\"<>]{0,100}:(?P<secret>[^\s/@'\"<>]{1,200})@[A-Za-z0-9\[_$-]",
    ),
    ("Azure key", ("accountkey=",), r"AccountKey=(?P<secret>[A-Za-z0-9+/]{60,100}={0,2})"),
    ("Azure key", ("sharedaccesskey=",), r"SharedAccessKey=(?P<secret>[A-Za-z0-9+/]{40,60}={0,2})"),
    (
        "AWS secret key",
        ("aws", "secret"),
        r"(?i:aws|secret)[A-Za-z_ .-]{0,40}['\"]?\s{0,4}(?:=|:|=>)\s{0,4}['\"]?"
        r"(?P<secret>(?=[A-Za-z0-9/+]{0,39}[G-Zg-z/+])[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
    ),
    (
        "authorization",
        ("authorization", "bearer", "basic "),
        r"(?i:authorization['\"]?\s{0,4}[:=]\s{0,4}['\"]?(?:bearer|basic|token)|bearer)[ \t]{1,4}"
        r"(?P<secret>(?=[A-Za-z0-9._~+/=-]{0,300}[0-9])[A-Za-z0-9._~+/=-]{20,2000})",
    ),
    (
        "password",
        ("passw", "pwd"),
        r"(?i:passwords?|passwd|passwort|pwd)['\"]?\s{0,4}(?:=|:|:=|=>)\s{0,4}(?P<quote>['\"])(?P<secret>(?=[^\s'\"]{0,200}[0-9!@#$%^*+?])[^\s'\"]{6,200})(?P=quote)",
    ),
    (
        "password",
        ("passw", "pwd"),
        r"(?i:password|passwd|pwd)=(?P<secret>(?=[^\s'\"&;,)}\]]{0,200}[0-9!@#$%^*+?])[^\s'\"&;,)}\]]{6,200})",
    ),
]  # fmt: skip

_PLACEHOLDER = re.compile(
    r"(?i)example|your|placeholder|redacted|masked|dummy|changeme|x{4,}|\*{2,}|\.{3}|\u2026|^[<$%{\[/~]|^\w[\w.]*\(|"
    r"^(?:import\.meta|process\.env|os\.|env\.|config\.|settings\.|self\.|this\.|secrets?\.|vars\.)|"
    r"^(?:pass(?:word|wd)?|secret|token|user|none|null|undefined|true|false|string|str|test|admin|root|postgres)$"
)
"""What manuals and templates write where a secret would stand."""


SHAPES = [
    *(
        Shape(kind, beginnings, re.compile(f"{_ALONE}(?:{token}){_ENDS}"))
        for kind, beginnings, token in _TOKENS
    ),
    *(Shape(kind, beginnings, re.compile(pattern)) for kind, beginnings, pattern in _OTHERS),
]


def find_secrets(text: str) -> list[FoundSecret]:
    """Return the secrets in a text, in order; of two that overlap the one that begins first."""
    small = text.casefold() if text.isascii() else text.lower()
    found = sorted(_found(text, small), key=lambda one: (one.start, -one.end))
    apart: list[FoundSecret] = []
    for one in found:
        if not apart or one.start >= apart[-1].end:
            apart.append(one)
    return apart


def _found(text: str, small: str) -> Iterator[FoundSecret]:
    for kind, beginnings, pattern in SHAPES:
        if any(beginning in small for beginning in beginnings):
            for match in pattern.finditer(text):
                group = "secret" if "secret" in pattern.groupindex else 0
                if kind == "private key" or not _is_placeholder(match[group]):
                    yield FoundSecret(kind, match.start(group), match.end(group))


def _is_placeholder(value: str) -> bool:
    """Return whether a text only shows where a secret would stand."""
    return _PLACEHOLDER.search(value) is not None or (len(value) >= LEAST_VARIED and len(set(value)) < 5)

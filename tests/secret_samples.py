"""Secrets of known shapes, and texts that only look like some; none was ever anybody's."""

from __future__ import annotations

import base64
import random
import string
import uuid

CHANCE = random.Random(8)
LETTERS, LOWER, UPPER, DIGITS = (
    string.ascii_letters,
    string.ascii_lowercase,
    string.ascii_uppercase,
    string.digits,
)
MIXED, HEX = LETTERS + DIGITS, "0123456789abcdef"
BASE64 = MIXED + "+/"


def some(count: int, letters: str = MIXED) -> str:
    return "".join(CHANCE.choice(letters) for _ in range(count))


def identifier() -> str:
    return str(uuid.UUID(int=CHANCE.getrandbits(128), version=4))


PASSWORD = some(6, LETTERS) + "!9x"
SECRETS: dict[str, tuple[str, str, str]] = {
    "aws": ("", "AKIA" + some(16, UPPER + "234567"), ""),
    "aws temporary": ("", "ASIA" + some(16, UPPER + "234567"), ""),
    "github": ("", "ghp_" + some(36), ""),
    "github server": ("", "ghs_" + some(36), ""),
    "github fine-grained": ("", "github_pat_" + some(22) + "_" + some(59), ""),
    "gitlab": ("", "glpat-" + some(20), ""),
    "slack": ("", "xoxb-" + some(12, DIGITS) + "-" + some(24), ""),
    "slack webhook": (
        "https://",
        "hooks.slack.com/services/T" + some(8).upper() + "/B" + some(8).upper() + "/" + some(24),
        "",
    ),
    "openai": ("", "sk-proj-" + some(48), ""),
    "openai old": ("", "sk-" + some(20) + "T3BlbkFJ" + some(20), ""),
    "anthropic": ("", "sk-ant-api03-" + some(93), ""),
    "openrouter": ("", "sk-or-v1-" + some(64, HEX), ""),
    "stripe": ("", "sk_live_" + some(24), ""),
    "google secret": ("", "GOCSPX-" + some(28), ""),
    "hugging face": ("", "hf_" + some(34, LETTERS), ""),
    "groq": ("", "gsk_" + some(52), ""),
    "npm": ("", "npm_" + some(36), ""),
    "docker": ("", "dckr_pat_" + some(27), ""),
    "digitalocean": ("", "dop_v1_" + some(64, HEX), ""),
    "databricks": ("", "dapi" + some(32, HEX), ""),
    "twilio": ("", "SK" + some(32, HEX), ""),
    "telegram": ("", some(9, "123456789") + ":AA" + some(33), ""),
    "linear": ("", "lin_api_" + some(40), ""),
    "vault": ("", "hvs." + some(24), ""),
    "short password in an address": ("postgres://bob:", "pw", "@db/x"),
    "redis address": ("redis://:", some(12), "@cache:6379"),
    "bearer": ("Authorization: Bearer ", some(30) + "7", ""),
    "oauth-basic": ("https://", some(40, HEX), ":x-oauth-basic@github.com/a/b.git"),
    "aws secret env": ("export AWS_SECRET_ACCESS_KEY=", some(40, BASE64), ""),
    "aws secret yaml": ("aws_secret_access_key: ", some(40, BASE64), ""),
    "aws secret json": ('"SecretAccessKey": "', some(40, BASE64), '"'),
    "aws session": ("aws_session_token = ", "FwoGZXIvYXdzE" + some(200, BASE64), ""),
    "gcp json": (
        '{"type": "service_account", "project_id": "x", "private_key_id": "'
        + some(40, HEX)
        + '", "private_key": "-----BEGIN PRIVATE KEY-----\\n',
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" + some(300, BASE64),
        '\\n-----END PRIVATE KEY-----\\n"}',
    ),
    "azure client secret": ("", some(3) + "8Q~" + some(34), ""),
    "azure env": ("AZURE_CLIENT_SECRET=", some(34), ""),
    "azure conn": (
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=",
        some(86, BASE64) + "==",
        ";EndpointSuffix=core.windows.net",
    ),
    "azure sas": ("https://a.blob.core.windows.net/c?sv=2022-11-02&ss=b&sig=", some(43) + "%3D", ""),
    "azure sql": ("Server=tcp:x.database.windows.net;User ID=bob;Password=", PASSWORD, ";Encrypt=True"),
    "github oauth": ("", "gho_" + some(36), ""),
    "gitlab runner": ("", "GR1348941" + some(20), ""),
    "gitlab ci": ("", "glptt-" + some(40, HEX), ""),
    "slack app": (
        "",
        "xapp-1-A" + some(10, UPPER + DIGITS) + "-" + some(13, DIGITS) + "-" + some(64, HEX),
        "",
    ),
    "slack cfg": ("", "xoxe.xoxp-1-" + some(166), ""),
    "slack xoxp": (
        "",
        "xoxp-" + some(12, DIGITS) + "-" + some(12, DIGITS) + "-" + some(12, DIGITS) + "-" + some(32, HEX),
        "",
    ),
    "stripe rk": ("", "rk_live_" + some(24), ""),
    "stripe test": ("", "sk_test_" + some(24), ""),
    "twilio auth token": ("TWILIO_AUTH_TOKEN=", some(32, HEX), ""),
    "sendgrid": ("", "SG." + some(22) + "." + some(43), ""),
    "npmrc": ("//registry.npmjs.org/:_authToken=", "npm_" + some(36), ""),
    "npmrc legacy": (
        "//registry.npmjs.org/:_authToken=",
        f"{some(8, HEX)}-{some(4, HEX)}-{some(4, HEX)}-{some(4, HEX)}-{some(12, HEX)}",
        "",
    ),
    "npmrc auth": ("_auth=", some(31) + "9=", ""),
    "pypirc": ("[pypi]\nusername = __token__\npassword = ", "pypi-AgEIcHlwaS5vcmc" + some(70), ""),
    "pypirc pw": ("[distutils]\nusername = bob\npassword = ", PASSWORD, ""),
    "docker config": ('{"auths": {"https://index.docker.io/v1/": {"auth": "', some(38) + "9=", '"}}}'),
    "openai svc": ("", "sk-svcacct-" + some(60) + "T3BlbkFJ" + some(60), ""),
    "netrc": ("machine api.github.com login bob password ", PASSWORD, ""),
    "netrc lines": ("machine x.org\n  login bob\n  password ", PASSWORD, ""),
    "curl -u": ("curl -u bob:", PASSWORD, " https://example.org/"),
    "curl -u q": ("curl --user 'bob:", PASSWORD, "' https://example.org/"),
    "mysql -p": ("mysql -u root -p", PASSWORD, " app"),
    "PGPASSWORD": ("PGPASSWORD=", PASSWORD, " psql -h db"),
    "pgpass": ("db.internal:5432:app:bob:", PASSWORD, ""),
    "sshpass": ("sshpass -p '", PASSWORD, "' ssh bob@host"),
    "password yaml": ("password: ", PASSWORD, ""),
    "password json": ('{"password": "', PASSWORD, '"}'),
    "passwd shell": ("export DB_PASSWORD='", PASSWORD, "'"),
    "dbpass": ("DB_PASS=", PASSWORD, ""),
    "mysql_root": ("MYSQL_ROOT_PASSWORD: ", PASSWORD, ""),
    "redis pass": ("requirepass ", PASSWORD, ""),
    "--password": ("mysqldump --password ", PASSWORD, " db"),
    "--password=": ("mysqldump --password=", PASSWORD, " db"),
    "sentence": ("the password is ", PASSWORD, ""),
    "sentence2": ("Password for staging: ", PASSWORD, ""),
    "passphrase": ("passphrase: ", PASSWORD, ""),
    "api_key env": ("API_KEY=", some(32), ""),
    "api_key yaml": ("api_key: ", some(32), ""),
    "apikey json": ('"apiKey": "', some(32), '"'),
    "apikey hex": ('"api_key": "', some(32, HEX), '"'),
    "x-api-key": ("X-API-Key: ", some(32), ""),
    "secret_key": ("SECRET_KEY = '", some(50), "'"),
    "django": ("SECRET_KEY = 'django-insecure-", some(50, MIXED + "!@#$%^&*"), "'"),
    "client_secret": ('client_secret="', some(40), '"'),
    "client_secret q": ("https://x/token?client_id=a&client_secret=", some(40), ""),
    "access_token": ("access_token=", some(40), ""),
    "access_token url": ("https://api.x.com/v1?access_token=", some(40), ""),
    "refresh json": ('"refresh_token": "1//0', some(60), '"'),
    "auth token": ("AUTH_TOKEN=", some(40), ""),
    "token yaml": ("token: ", some(40), ""),
    "basic": ("Authorization: Basic ", "Ym9iOmh1bnRlcjJodW50ZXIy" + some(4), ""),
    "basic short": ("Authorization: Basic ", "Ym9iOnB3MQ==", ""),
    "basic curl": ("-H 'Authorization: Basic ", "Ym9iOmh1bnRlcjI=", "'"),
    "bearer letters": ("Authorization: Bearer ", some(40, LETTERS), ""),
    "bearer json": ('{"Authorization": "Bearer ', some(40), '"}'),
    "token gh": ("Authorization: token ", some(40, HEX), ""),
    "private-token": ("PRIVATE-TOKEN: ", some(20), ""),
    "cookie": ("Cookie: sessionid=", some(32), ""),
    "mongodb": ("mongodb+srv://bob:", PASSWORD, "@cluster0.abc.mongodb.net/"),
    "amqp": ("amqp://bob:", PASSWORD, "@rabbit:5672/%2f"),
    "https url": ("https://bob:", PASSWORD, "@github.com/a/b.git"),
    "https token": ("https://", "ghp_" + some(36), "@github.com/a/b.git"),
    "https opaque token": ("https://x-access-token:", some(40), "@github.com/a/b.git"),
    "url pw with at": ("postgres://bob:", "p@ss" + some(5) + "9", "@db.internal:5432/app"),
    "jdbc": ("jdbc:mysql://db/app?user=bob&password=", PASSWORD, ""),
    "odbc": ("Driver={PG};Server=x;Uid=bob;Pwd=", PASSWORD, ";"),
    "dsn kv": ("host=db user=bob password=", PASSWORD, " dbname=x"),
    "jwt": ("", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI" + some(12) + "." + some(43), ""),
    "jwe": (
        "",
        "eyJhbGciOiJSU0EtT0FFUCJ9." + some(60) + "." + some(16) + "." + some(60) + "." + some(22),
        "",
    ),
    "pem ec": (
        "-----BEGIN EC PRIVATE KEY-----\n",
        some(64) + "\n" + some(30),
        "\n-----END EC PRIVATE KEY-----",
    ),
    "pem openssh": (
        "-----BEGIN OPENSSH PRIVATE KEY-----\n",
        "b3BlbnNzaC1rZXktdjEAAAAA" + some(40),
        "\n-----END OPENSSH PRIVATE KEY-----",
    ),
    "pgp": (
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n",
        some(64) + "\n" + some(64),
        "\n-----END PGP PRIVATE KEY BLOCK-----",
    ),
    "putty": (
        "PuTTY-User-Key-File-2: ssh-rsa\nPrivate-Lines: 2\n",
        some(64) + "\n" + some(64),
        "\nPrivate-MAC: " + some(40, HEX),
    ),
    "wireguard": ("PrivateKey = ", some(43, BASE64) + "=", ""),
    "gemini": ("", "AIza" + some(35), ""),
    "datadog": ("DD_API_KEY=", some(32, HEX), ""),
    "algolia": ("ALGOLIA_ADMIN_KEY=", some(32, HEX), ""),
    "mistral": ("MISTRAL_API_KEY=", some(32), ""),
    "cohere": ("COHERE_API_KEY=", some(40), ""),
    "pinecone": ("", "pcsk_" + some(6) + "_" + some(60), ""),
    "cerebras": ("", "csk-" + some(48, LOWER + DIGITS), ""),
    "langsmith": ("", "lsv2_pt_" + some(32, HEX) + "_" + some(10, HEX), ""),
    "tavily": ("", "tvly-dev-" + some(32), ""),
    "firecrawl": ("", "fc-" + some(32, HEX), ""),
    "nvidia": ("", "nvapi-" + some(64), ""),
    "fireworks": ("", "fw_" + some(22), ""),
    "deepseek": ("", "sk-" + some(32, HEX), ""),
    "elevenlabs": ("", "sk_" + some(48, HEX), ""),
    "posthog": ("", "phx_" + some(43), ""),
    "resend": ("", "re_" + some(8) + "_" + some(24), ""),
    "netlify": ("", "nfp_" + some(36), ""),
    "vercel": ("VERCEL_TOKEN=", some(24), ""),
    "asana": ("", "2/" + some(16, DIGITS) + "/" + some(16, DIGITS) + ":" + some(32, HEX), ""),
    "dropbox": ("", "sl.u." + some(130), ""),
    "mapbox": ("", "sk.eyJ1Ijoi" + some(60) + "." + some(22), ""),
    "hubspot": (
        "",
        "pat-na1-" + f"{some(8, HEX)}-{some(4, HEX)}-{some(4, HEX)}-{some(4, HEX)}-{some(12, HEX)}",
        "",
    ),
    "pulumi": ("", "pul-" + some(40, HEX), ""),
    "prefect": ("", "pnu_" + some(36, LOWER + DIGITS), ""),
    "buildkite": ("", "bkua_" + some(40, HEX), ""),
    "circleci": ("", "CCIPAT_" + some(22) + "_" + some(40, HEX), ""),
    "confluent": ("CONFLUENT_SECRET=", some(64, BASE64), ""),
    "cloudflare token": ("CLOUDFLARE_API_TOKEN=", some(40, MIXED + "_-"), ""),
    "ngrok": ("NGROK_AUTHTOKEN=", some(27) + "_" + some(21), ""),
    "tailscale": ("", "tskey-auth-" + some(12) + "CNTRL-" + some(32), ""),
    "artifactory": ("", "AKCp" + some(69), ""),
    "easypost": ("", "EZAK" + some(54), ""),
    "duffel": ("", "duffel_live_" + some(43), ""),
    "typeform": ("", "tfp_" + some(44) + "_" + some(14), ""),
    "readme": ("", "rdme_" + some(70, LOWER + DIGITS), ""),
    "yandex": ("", "AQVN" + some(35), ""),
    "alibaba": ("", "LTAI" + some(20), ""),
    "flutterwave": ("", "FLWSECK_TEST-" + some(32, HEX) + "-X", ""),
    "shopify": ("", "shpss_" + some(32, HEX), ""),
    "totp": ("otpauth://totp/x?secret=", some(32, UPPER + "234567"), ""),
    "kube": ("client-key-data: ", some(100, BASE64) + "9=", ""),
    "kube token": ("users:\n- user:\n    token: ", some(60), ""),
    "gitlab ci var": ("CI_JOB_TOKEN=", some(20), ""),
    "ansible": ("ansible_ssh_pass=", PASSWORD, ""),
    "ansible become": ("ansible_become_password: ", PASSWORD, ""),
    "tf var": ('variable "db_password" { default = "', PASSWORD, '" }'),
    "xml": ("<password>", PASSWORD, "</password>"),
    "xml attr": ('<add key="Password" value="', PASSWORD, '"/>'),
    "toml": ('password="', PASSWORD, '"'),
    "properties": ("spring.datasource.password=", PASSWORD, ""),
}
"""By name: what stands before, what must not be found anywhere, and what stands after."""

_HASHES = (
    "{}", "commit {}", "the commit {} broke the token cache", "git bisect says {} is bad; revert it", "parent: {}",
    "Merge {} into main", "rev = {}", '"sha": "{}"', "secret scanning began with commit {}", "checkout@{}",
    "https://github.com/a/b/commit/{}",
)  # fmt: skip
_IDENTIFIERS = (
    "{}", "id: {}", "request_id={}", "session {}", "trace_id: {}", '"tenantId": "{}"', "user_id = '{}'",
    "https://x/api/items/{}", "idempotency-key: {}", "private_key_id: {}", "api_key_id: {}", "token_id={}",
    "aws_kms_key_id = {}",
)  # fmt: skip
_CHECKSUMS = (
    "{}", "sha256:{}", "md5({})", "checksum: {}", "integrity {}", 'digest = "{}"', "--hash=sha256:{}", 'etag: "{}"',
    "fingerprint SHA256:{}",
)  # fmt: skip
_PICTURES = (
    "{}", "data:image/png;base64,{}", "![x](data:image/png;base64,{})", '<img src="data:image/jpeg;base64,{}">',
    'integrity="sha512-{}"', "url(data:font/woff2;base64,{})",
)  # fmt: skip
_OTHERS = r"""
risk-assessment-of-the-payment-service-2024
task-sk-learn-migration-to-version-1234567890ab
disk-sk-0123abcd scikit-learn
the flask-app-secret-rotation-runbook-2024-11-30 is in the wiki
sk-learn and sk-ant are prefixes
const key = import.meta.env.VITE_API_KEY
apiKey: process.env.OPENAI_API_KEY
api_key=os.environ["OPENAI_API_KEY"]
api_key = settings.openai_api_key_v2_production
api_key=config.get("OPENAI_API_KEY_2024_PRODUCTION")
token = get_token_from_keychain_v2()
token: ${{ secrets.GITHUB_TOKEN }}
GITHUB_TOKEN: ${GITHUB_TOKEN}
export API_KEY=$(pass show api/key1)
export API_KEY="$(op read op://vault/item/field1)"
API_KEY=op://Private/OpenAI/credential1
password: base64
the password is base64-encoded before it is sent
the password is at least 12 characters
password: 8-64 characters
Password: required, 12 characters minimum
the password is hashed with argon2id
password: bcrypt
password: sha256
password=db_password2
password: form.password2.data
password = data["password1"]
password = request.form['password']
if password == password2:
PWD=/home/user1/project
pwd: /home/user1
pwd=/srv/www2
passwordField.value = input1
password_hash: ok
password reset takes 15 minutes
passwords: 3 attempts, then 15 minutes' wait
token: 4096
max_tokens: 16384
max_token=16384
tokens: 128000
tokenizer: cl100k_base
tokenizer = AutoTokenizer.from_pretrained("sentence-transformers/all-MiniLM-L6-v2")
next_page_token: CAESBkJlcmxpbg1234567
nextPageToken="CAESBkJlcmxpbg1234567"
pad_token: <|endoftext|>
token: projects/my-project/secrets/db-password/versions/3
secret: projects/my-project/secrets/db-password/versions/3
secretName: prod-database-credentials-2024
secret: prod-database-credentials-2024
secretKeyRef: {name: db-credentials-prod-2024, key: password1}
public_key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ3 me@host
pk_live_51H8xYzExample is publishable
primary_key=True
foreign_key: users.organisation_id_2024
cache_key = "user-profile-2024-settings-v3"
partition key: tenant-42-orders-2024-11
key: a1b2c3d4e5f6a7b8c9d0
sort_key=created_at_2024_11_30_desc
keyboard=us-intl-2024-with-dead-keys
AKIAIOSFODNN7EXAMPLE
wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
sk_test_4eC39HqLyjWDarjtT1zdp7dc
sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
sk-your-api-key-here-0123456789
ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
ghp_1234567890abcdefghijklmnopqrstuvwxyz
OPENAI_API_KEY=your-key-here-1234567
api_key: "<your key, 32 characters>"
API_KEY=changeme-before-2024-release
Authorization: Bearer <token>
Authorization: Bearer $TOKEN
Authorization: Bearer {{access_token_2024}}
Authorization: Basic <base64 of user:password>
Basic authentication is off since 2024-11-30
Bearer authentication with OAuth2ClientCredentials
bearer tokens expire after 3600 seconds
postgres://user:${DB_PASSWORD}@db/app
postgres://user:<password>@db/app
postgres://user:password@localhost/app
postgres://localhost:5432/app
redis://cache:6379/0
https://example.com:8080/a@b
https://medium.com/@someone/a-post-of-2024-1234567890ab
git@github.com:acme/site.git
https://github.com/acme/site@v1.2.3
npm i @types/node@20.1.2
docker run -u 1000:1000 image
curl -u "$USER:$PASSWORD" https://x
curl -u user:<password> https://x
mysql -u root -p
mysql --port=3306 --user=root
ssh -p2222 host
file.py:5432:function:argument
-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----
-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----
com.example.application.very.long.package.name.ClassName2024
org.springframework.security.oauth2.provider.token.DefaultTokenServices
AbstractSingletonProxyFactoryBeanGenerator2Impl
s3://bucket-2024/path/to/some/long/object-name-0001.parquet
arn:aws:iam::123456789012:role/service-role/MyRole-2024-abcdef
arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf
password: arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf
eu-west-1_AbCdEfGhI is the user pool
sg-0a1b2c3d4e5f60718 and vpc-0a1b2c3d4e5f60718
i-0123456789abcdef0
G-ABCDEFGHIJ and UA-12345678-1
0x52908400098527886E0F7030069857D2E4169EE7
1.2.840.113549.1.1.11
2001:0db8:85a3:0000:0000:8a2e:0370:7334
00:1A:2B:3C:4D:5E
ISBN 978-3-16-148410-0
DE89 3704 0044 0532 0130 00
2024-11-30T12:34:56.789012+00:00
v20241130123456-0a1b2c3d4e5f is a pseudo-version of Go
h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
"integrity": "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DxpSqfZ1P+Q3Zy5ZrZ0w1Y9Zb0rQ0Pg=="
"resolved": "https://registry.npmjs.org/a/-/a-1.0.0.tgz#0123456789abcdef0123456789abcdef01234567"
csrf protection is on; csrf_token() is in each form
the variable GITHUB_TOKEN is set in CI
secret santa is on 2024-12-20
a secret: the cake is in room 101
the token bucket refills 100 per second
token=abc is not enough
session cookie lasts 30 days
cookie: SameSite=Lax; Secure
Set-Cookie: theme=dark; Max-Age=31536000
service_account: deploy-bot@my-project-2024.iam.gserviceaccount.com
account_key_name: primary_2024_storage_account
credentials: include
credentials=service_account.Credentials.from_service_account_file
access_key_id: see 1Password
private_key_path = /etc/ssl/private/site-2024-11.pem
private_key: /etc/ssl/private/site-2024-11.pem
secret_file=/run/secrets/db_password_2024
api_key_header: X-Custom-Api-Key-2024-Version
fc-cache-2024 and fc-list
re_compile_2024 and re_match
api-ABCDEFG is lower
sl.py and sat.py
pat-a-cake-2024
llama-3.1-70b-instruct-q4_k_m.gguf
meta-llama/Meta-Llama-3.1-70B-Instruct
hf_hub_download(repo_id="a/b")
hf_transfer_is_enabled_since_version_2024
key-value-store-migration-2024
npm_config_registry is set
npm_lifecycle_event_is_prepublish_only_here
fw_update_2024_11_30
glpat- is the prefix of GitLab's tokens
SG.py and SK-learn
xoxb- is Slack's prefix
dapi is the prefix of Databricks
AIza is how Google's keys begin
the header X-Api-Key must be sent
set DB_PASSWORD before you start
secret = Fernet.generate_key()
secret: !vault |
password: ENC[AES256_GCM,data:abc123,iv:def,tag:ghi,type:str]
password: "{{ vault_db_password_2024 }}"
auth: {type: oauth2}
"auth": "oauth2-client-credentials"
login: bob password: ask Carol
machine learning login page password rules
the default login form asks for a password first
default login page password field
requirepass is not set
--password-file /run/secrets/x1
--token-file=/run/secrets/token2024abcdef
--pass-through-2024
token_type=urn:ietf:params:oauth:token-type:access_token2
token_url: https://login.microsoftonline.com/common/oauth2/v2.0/token
secret: https://vault.internal/v1/secret/data/app-2024-11
sig=abcdef
Price: 2/3 of 1/1234567890123456
password strength: 80 bits
password for staging is in 1Password
password was changed on 2024-11-30
password is rotated every 90 days
password to the vault: see runbook#12
The password policy: min_length=12, max_age=90
"""


def _picture(count: int) -> str:
    noise = bytes(CHANCE.getrandbits(8) for _ in range(count))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + noise + bytes(60) + noise).decode()


LOOK_ALIKES = [
    *(form.format(some(count, HEX)) for form in _HASHES for count in (7, 40)),
    *(form.format(identifier()) for form in _IDENTIFIERS),
    *(form.format(some(count, HEX)) for form in _CHECKSUMS for count in (32, 56, 64, 96, 128)),
    *(form.format(_picture(count)) for form in _PICTURES for count in (60, 200, 1000, 5000)),
    *_OTHERS.strip().splitlines(),
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + some(40) + " me@host",
    "-----BEGIN CERTIFICATE-----\nMIIB" + some(60, BASE64) + "\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\nMIIB" + some(60, BASE64) + "\n-----END PUBLIC KEY-----",
    "mailto:bob@example.com and git@github.com:acme/site.git",
    "the prefix is sk-ant-… and ghp_… for GitHub",
    "password: 'required'",
]

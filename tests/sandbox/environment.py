"""The environment variables that must not decide what tests and the demo do."""

from collections.abc import MutableMapping

HERE = "localhost,127.0.0.1"


def tidy(environ: MutableMapping[str, str]) -> None:
    """Forget the operator's AWS, and let no proxy stand between local servers and their clients.

    A profile that does not exist, or a company's proxy, would otherwise break what needs neither.
    """
    for name in [name for name in environ if name.startswith("AWS_")]:
        del environ[name]
    for name in ("NO_PROXY", "no_proxy"):
        environ[name] = ",".join(filter(None, (environ.get(name), HERE)))

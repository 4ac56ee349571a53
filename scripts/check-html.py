#!/usr/bin/env python3
"""Opens HTML reports in headless Chromium, from their files, and checks what a reader relies on:

- nothing but the file is asked for, the console stays empty, and neither a script nor a picture
  that somebody else put into the page would run or be loaded;
- at widths of 390, 768 and 1280 pixels and on paper, light and dark, with scripts and without,
  the page does not scroll sideways; what does inside of it can be reached with the keyboard;
- every text has a contrast of at least 4.5 : 1 to what it stands on (WCAG 2.2, 1.4.3);
- one heading of the first level and none that skips a level; ids are unique and links lead to
  them; tables have captions and heads, pictures a name that is read out;
- without scripts there is the same text;
- heads of tables sort, by a click and by the keyboard, and give the written order back.

It speaks the Chrome DevTools protocol over a pipe.

Exit code: 0 all holds, 1 something does not (told line by line), 2 usage.
"""

import argparse
import base64
import fcntl
import json
import math
import os
import select
import signal
import sys
import tempfile
import time
from pathlib import Path

# Seconds that the browser may take for one answer.
PATIENCE = 60

# The narrowest is that of a phone.
WIDTHS = (390, 768, 1280)

# A4 without its margins, at 96 pixels per inch.
PAPER = 672

# An object with functions, for the page.
QUESTIONS = Path(__file__).with_suffix(".js").read_text(encoding="utf-8").rstrip()

SCHEMES = ("light", "dark")

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--remote-debugging-pipe",
)


class Browser:
    """A Chromium of our own, and the page in it."""

    def __init__(self, executable, profile):
        to_read, self.to = os.pipe()
        self.from_, to_write = os.pipe()
        # The browser has its ends as descriptors 3 and 4. Others may have these numbers here.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (to_read, to_write)]
        null = os.open(os.devnull, os.O_RDWR)
        # What it complains about is for a file: on a machine without a bus that is a lot.
        self.log = Path(profile) / "log"
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT)
        descriptors = enumerate((null, log, log, *ends))
        actions = [(os.POSIX_SPAWN_DUP2, ours, theirs) for theirs, ours in descriptors]
        self.pid = os.posix_spawn(
            executable,
            [executable, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            # What it leaves there goes with the profile.
            {**os.environ, "TMPDIR": str(profile)},
            file_actions=actions,
            setpgroup=0,
        )
        for end in (to_read, to_write, *ends, null, log):
            os.close(end)
        self.read = b""
        self.last = 0
        self.events = []
        self.session = None
        self.scripts = True

    def start(self):
        """Waits until it is up, and takes its page."""
        pages = [t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page"]
        page = pages[0] if pages else self.call("Target.createTarget", url="about:blank")
        attached = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM", "Accessibility"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)

    def receive(self, until):
        while b"\0" not in self.read:
            ready, _, _ = select.select([self.from_], [], [], max(0, until - time.monotonic()))
            data = os.read(self.from_, 1 << 20) if ready else b""
            if not data:
                why = "says nothing" if not ready else "has ended"
                last = self.log.read_text(errors="replace").strip().splitlines()[-1:]
                raise OSError(f"the browser {why}: {''.join(last)}")
            self.read += data
        message, self.read = self.read.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        self.last += 1
        message = {"id": self.last, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to, data):]
        until = time.monotonic() + PATIENCE
        while True:
            answer = self.receive(until)
            if answer.get("id") == self.last:
                if "error" in answer:
                    raise OSError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    def open(self, url):
        """Opens the page anew; events count from here on."""
        self.events = []
        loader = self.call("Page.navigate", url=url)["loaderId"]
        loaded = {"name": "load", "loaderId": loader}
        until = time.monotonic() + PATIENCE
        while not any(loaded.items() <= event["params"].items() for event in self.events):
            self.events.append(self.receive(until))
        self.settle()

    def settle(self):
        """Lets the page's observers run. Without scripts there are none, and no timers either."""
        if self.scripts:
            self.value("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")

    def allow_scripts(self, allowed):
        self.scripts = allowed
        self.call("Emulation.setScriptExecutionDisabled", value=not allowed)

    def value(self, expression):
        result = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise OSError(details.get("exception", {}).get("description", details["text"]))
        return result["result"].get("value")

    def ask(self, question):
        """The answer of one of the functions in QUESTIONS."""
        return self.value(f"{QUESTIONS}.{question}")

    def look(self, width, scheme="light", media="screen", height=900):
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)

    def close(self):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(self.pid, 0)


class Report:
    """One file, and what is wrong with it."""

    def __init__(self, browser, path):
        self.browser = browser
        self.url = path.resolve().as_uri()
        self.wrong = []
        self.looks = 0
        self.texts = 0
        self.least_contrast = math.inf
        self.sorted = 0

    def add(self, where, wrong):
        self.wrong += [f"{where}: {what}" for what in wrong]

    def check(self):
        browser = self.browser
        browser.look(WIDTHS[-1])
        browser.open(self.url)
        self.add("structure", browser.ask("structure()"))
        self.pictures()
        with_scripts = browser.ask("texts()")
        self.views("with scripts")
        self.sorting()
        self.quiet("with scripts")
        self.forbidden()

        browser.allow_scripts(False)
        browser.open(self.url)
        if browser.value("document.querySelector('button') !== null"):
            self.add("without scripts", ["there are buttons, which do nothing"])
        if browser.ask("texts()") != with_scripts:
            self.add("without scripts", ["the text is another one"])
        self.views("without scripts")
        self.quiet("without scripts")
        browser.allow_scripts(True)

    def views(self, how):
        """The page at all widths, light and dark, and on paper."""
        views = [(width, scheme, "screen") for width in WIDTHS for scheme in SCHEMES]
        views += [(PAPER, scheme, "print") for scheme in SCHEMES]
        for width, scheme, media in views:
            self.browser.look(width, scheme, media)
            self.browser.settle()
            where = f"{how}, {width} pixels, {scheme}, {media}"
            paper = str(media == "print").lower()
            self.add(where, self.browser.ask(f"layout({width}, {paper})"))
            contrast = self.browser.ask("contrast()")
            self.add(where, contrast["wrong"])
            self.least_contrast = min(self.least_contrast, contrast["least"] or math.inf)
            self.texts = contrast["texts"]
            self.looks += 1
        self.browser.look(WIDTHS[-1])

    def pictures(self):
        """Every picture has a name that is read out."""
        browser = self.browser
        root = browser.call("DOM.getDocument", depth=0)["root"]["nodeId"]
        query = "figure svg, figure img, [role=img]"
        nodes = browser.call("DOM.querySelectorAll", nodeId=root, selector=query)["nodeIds"]
        figures = browser.value("document.querySelectorAll('figure').length")
        named = 0
        for node in nodes:
            tree = browser.call("Accessibility.getPartialAXTree", nodeId=node, fetchRelatives=False)
            seen = tree["nodes"][0]
            if seen.get("ignored"):
                continue
            name = seen.get("name", {}).get("value", "").strip()
            role = seen.get("role", {}).get("value")
            if role not in ("image", "img", "graphics-document"):
                self.add("pictures", [f"one is a {role} for those who listen"])
            if not name:
                self.add("pictures", ["one has no name"])
            named += 1
        if named < figures:
            self.add("pictures", [f"{figures} figures, and {named} pictures are told of"])

    def sorting(self):
        browser = self.browser
        tables = browser.value("document.querySelectorAll('table.sortable').length")
        for at in range(tables):
            table = f"document.querySelectorAll('table.sortable')[{at}]"
            self.add(f"sorting, table {at + 1}", browser.ask(f"sorting({table})"))
        if tables:
            browser.value("document.querySelector('table.sortable button')?.focus()")
            for kind, text in (("keyDown", "\r"), ("keyUp", "")):
                browser.call(
                    "Input.dispatchKeyEvent",
                    type=kind, key="Enter", code="Enter", text=text, windowsVirtualKeyCode=13,
                )
            head = "document.querySelector('table.sortable th')"
            order = browser.value(f"{head}.getAttribute('aria-sort')")
            if order != "ascending":
                self.add("sorting", [f"the Enter key gives {order}"])
        self.sorted = tables

    def quiet(self, how):
        """The console is empty, and nothing but the file was asked for."""
        for event in self.browser.events:
            params = event.get("params", {})
            match event["method"]:
                case "Runtime.exceptionThrown":
                    told = params["exceptionDetails"]
                    self.add(how, [told.get("exception", {}).get("description", told["text"])])
                case "Runtime.consoleAPICalled":
                    self.add(how, [f"console: {[a.get('value') for a in params['args']]}"])
                case "Log.entryAdded":
                    self.add(how, [f"console: {params['entry']['text']}"])
                case "Network.requestWillBeSent" if not self.inside(params):
                    self.add(how, [f"a request: {params['request']['url'][:80]}"])

    def inside(self, params):
        """Whether what is asked for is the file itself, or stands in it: an image of `data:`."""
        url = params["request"]["url"]
        return url == self.url or (params.get("type") == "Image" and url.startswith("data:"))

    def forbidden(self):
        """What must not work."""
        browser = self.browser
        browser.events = []
        browser.ask("intrude()")
        if browser.value("window.foreign === true"):
            self.add("policy", ["a foreign script runs"])
        for event in browser.events:
            if event["method"] != "Network.requestWillBeSent":
                continue
            # A request that the policy has stopped is announced too.
            request = event["params"]["requestId"]
            stopped = any(
                e["method"] == "Network.loadingFailed"
                and e["params"]["requestId"] == request
                and e["params"].get("blockedReason") == "csp"
                for e in browser.events
            )
            if not stopped:
                self.add("policy", [f"a request: {event['params']['request']['url'][:80]}"])

    def screenshots(self, directory, name):
        """Pictures of the page at all widths, and the printed pages."""
        browser = self.browser
        browser.open(self.url)
        for width in WIDTHS:
            for scheme in SCHEMES:
                browser.look(width, scheme)
                browser.settle()
                shot = browser.call("Page.captureScreenshot", captureBeyondViewport=True)
                file = directory / f"{name}-{width}-{scheme}.png"
                file.write_bytes(base64.b64decode(shot["data"]))
        browser.call("Emulation.clearDeviceMetricsOverride")
        browser.call("Emulation.setEmulatedMedia", media="", features=[])
        pdf = browser.call(
            "Page.printToPDF", preferCSSPageSize=True, paperWidth=8.27, paperHeight=11.69
        )
        (directory / f"{name}.pdf").write_bytes(base64.b64decode(pdf["data"]))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--chromium", required=True, help="the browser")
    parser.add_argument("--screenshots", metavar="DIR", type=Path, help="keeps pictures there")
    parser.add_argument("--probe", action="store_true", help="only open an empty page")
    parser.add_argument("reports", metavar="REPORT.html", nargs="*", type=Path)
    arguments = parser.parse_args()
    if not arguments.reports and not arguments.probe:
        parser.error("no REPORT.html is given")
    for path in arguments.reports:
        if not path.is_file():
            print(f"{path}: there is no such file", file=sys.stderr)
            return 1
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="check-html-", ignore_cleanup_errors=True) as profile:
        browser = Browser(arguments.chromium, profile)
        try:
            browser.start()
            if arguments.probe:
                browser.open("about:blank")
                return 0
            for path in arguments.reports:
                report = Report(browser, path)
                report.check()
                if arguments.screenshots:
                    arguments.screenshots.mkdir(parents=True, exist_ok=True)
                    report.screenshots(arguments.screenshots, path.stem)
                for told in report.wrong:
                    print(f"{path}: {told}", file=sys.stderr)
                wrong += len(report.wrong)
                print(
                    f"{path}: {report.looks} views, {report.texts} texts with a contrast of at "
                    f"least {report.least_contrast:.2f} : 1, {report.sorted} tables sorted: "
                    f"{f'{len(report.wrong)} wrong' if report.wrong else 'all holds'}"
                )
        finally:
            browser.close()
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        print(f"check-html: {error}", file=sys.stderr)
        sys.exit(1)

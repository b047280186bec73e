"""The requests that the loopback Hub answers; each route names the method below it that does."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from hub_server import READ, WRITE, Blob, Commit, Fault, LoopbackHub, Repo, git_oid

_DATE = "2026-01-01T00:00:00.000Z"
_LFS = re.compile(r"\.(parquet|safetensors|bin|png|jpg)$")
_LICENCES = {"other", "mit", "apache-2.0", "cc0-1.0", "cc-by-4.0", "gpl-3.0", "unknown"}
_SIZES = {"n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M"}
_TASKS = {"visual-question-answering", "image-text-to-text", "image-classification", "text-classification"}


class RefusalError(Exception):
    def __init__(self, status: int, message: str, code: str = "") -> None:
        self.status, self.message, self.code = status, message, code


class HangUpError(Exception):
    pass


class Handler(BaseHTTPRequestHandler):
    """One request. Routes are methods below, each with the pattern it answers."""

    hub: LoopbackHub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes: 40 ms each way without
    routes: ClassVar[list[tuple[str, str]]] = [
        (r"GET /api/whoami-v2", "whoami"),
        (r"POST /api/repos/create", "create"),
        (r"POST /api/validate-yaml", "validate_yaml"),
        (r"PUT /lfs/(?P<sha>[0-9a-f]{64})", "put_lfs"),
        (r"POST /(?P<path>[^?]+)\.git/info/lfs/objects/batch", "lfs_batch"),
        (r"POST /lfs-verify", "lfs_verify"),
        (r"PUT /api/(?P<kinds>\w+)/(?P<name>[^/]+/[^/]+)/settings", "settings"),
        (r"POST /api/(?P<kinds>\w+)/(?P<name>[^/]+/[^/]+)/preupload/(?P<rev>[^/]+)", "preupload"),
        (r"POST /api/(?P<kinds>\w+)/(?P<name>[^/]+/[^/]+)/commit/(?P<rev>[^/]+)", "commit"),
        (r"POST /api/(?P<kinds>\w+)/(?P<name>[^/]+/[^/]+)/tag/(?P<rev>[^/]+)", "tag"),
        (r"POST /api/(?P<kinds>\w+)/(?P<name>[^/]+/[^/]+)/branch/(?P<rev>[^/]+)", "branch"),
        (r"GET /api/(?P<kinds>\w+)/(?P<name>[^/]+/[^/]+)/refs", "refs"),
        (r"GET /api/(?P<kinds>\w+)/(?P<name>[^/]+/[^/]+)/tree/(?P<rev>[^/]+)/?(?P<file>.*)", "tree"),
        (r"POST /api/(?P<kinds>\w+)/(?P<name>[^/]+/[^/]+)/paths-info/(?P<rev>[^/]+)", "paths_info"),
        (r"GET /api/(?P<kinds>\w+)/(?P<name>[^/]+/[^/]+)/revision/(?P<rev>[^/]+)", "info"),
        (r"GET /api/(?P<kinds>\w+)/(?P<name>[^/]+/[^/]+)", "info"),
        (
            r"(?:GET|HEAD) /(?:(?P<kinds>datasets)/)?(?P<name>[^/]+/[^/]+)/resolve/(?P<rev>[^/]+)/(?P<file>.+)",
            "resolve",
        ),
    ]

    def answer(self) -> None:
        path = urlsplit(self.path).path
        told = f"{self.command} {path}"
        self.received, self.sent, self.query = 0, False, parse_qs(urlsplit(self.path).query)
        fault = self.take_fault(told)
        try:
            if fault.do:
                fault.do()
            if fault.cut is None or self.command == "GET":
                self.body = self.read_body(fault.slow)
            else:
                self.rfile.read(fault.cut)
                raise HangUpError
            if fault.status:
                raise RefusalError(fault.status, "as the test asked")
            for pattern, name in self.routes:
                if found := re.fullmatch(pattern, told):
                    self.cut = fault.cut
                    self.slow = fault.slow
                    reply = getattr(self, name)(**{k: unquote(v or "") for k, v in found.groupdict().items()})
                    if fault.lost:
                        raise HangUpError
                    if not self.sent:
                        self.reply(200, json.dumps(reply).encode())
                    break
            else:
                raise RefusalError(404, f"no route {told}", "EntryNotFound")
        except RefusalError as error:
            headers = {"X-Error-Message": error.message, **({"X-Error-Code": error.code} if error.code else {})}
            if error.status == 429:
                headers["Retry-After"] = "1"
            self.reply(error.status, json.dumps({"error": error.message}).encode(), headers)
        except HangUpError:
            self.close_connection = True
            self.connection.close()
        except (ConnectionError, ValueError):  # the client went away
            self.close_connection = True
        self.hub.log.append((told, self.received))

    do_GET = do_POST = do_PUT = do_HEAD = answer

    def take_fault(self, told: str) -> Fault:
        with self.hub.lock:
            for fault in self.hub.faults:
                if fault.times and re.search(fault.match, told):
                    fault.times -= 1
                    return fault
        return Fault("")

    def read_body(self, slow: float) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
        else:
            left, parts = int(self.headers.get("Content-Length", 0)), []
            while left:
                part = self.rfile.read(min(left, 1 << 16))
                if not part:
                    raise ConnectionError("cut by the client")
                time.sleep(slow)
                left -= len(part)
                parts.append(part)
        body = b"".join(parts)
        self.received = len(body)
        return body

    def reply(self, status: int, data: bytes, headers: dict[str, str] | None = None, length: int | None = None) -> None:
        self.sent = True
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data) if length is None else length), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if getattr(self, "cut", None) is not None and self.command == "GET":
            self.wfile.write(data[: self.cut])
            raise HangUpError
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass

    def json(self) -> Any:
        return json.loads(self.body or b"{}")

    def token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def need_write(self) -> None:
        if self.token() != WRITE:
            raise RefusalError(403 if self.token() == READ else 401, "a token with write access is needed")

    def open(self, kinds: str, name: str) -> Repo:
        repo = self.hub.repos.get(((kinds or "models").removesuffix("s"), name))
        if repo is None or (repo.private and self.token() not in (READ, WRITE)):
            raise RefusalError(404 if self.token() else 401, "Repository not found", "RepoNotFound")
        if repo.gated and self.token() != WRITE and "/resolve/" in self.path:
            raise RefusalError(403, f"Access to dataset {name} is restricted", "GatedRepo")
        return repo

    def at(self, kinds: str, name: str, rev: str) -> tuple[Repo, Commit]:
        repo = self.open(kinds, name)
        commit = repo.find(rev or "main")
        if commit is None:
            raise RefusalError(404, f"Invalid rev id: {rev}", "RevisionNotFound")
        return repo, commit

    def whoami(self) -> Any:
        if self.token() not in (READ, WRITE):
            raise RefusalError(401, "Invalid credentials")
        return {"type": "user", "name": "tester", "auth": {"type": "access_token"}, "orgs": [{"name": "org"}]}

    def create(self) -> Any:
        self.need_write()
        asked = self.json()
        kind, name = asked.get("type") or "model", f"{asked.get('organization') or 'tester'}/{asked['name']}"
        with self.hub.lock:
            if (kind, name) in self.hub.repos:
                raise RefusalError(409, "You already created this repo")
            private = asked.get("visibility") == "private" or bool(asked.get("private"))
            repo = self.hub.repos[kind, name] = Repo(kind, name, private)
            attributes = self.hub.keep(b"*.parquet filter=lfs diff=lfs merge=lfs -text\n")
            repo.add("refs/heads/main", "initial commit", {".gitattributes": attributes})
        return {"url": f"{self.hub.url}/{'datasets/' if kind == 'dataset' else ''}{name}", "name": name}

    def settings(self, kinds: str, name: str) -> Any:
        self.need_write()
        repo, asked = self.open(kinds, name), self.json()
        repo.gated = asked.get("gated", repo.gated)
        repo.private = asked["visibility"] == "private" if "visibility" in asked else repo.private
        return {"gated": repo.gated, "private": repo.private}

    def validate_yaml(self) -> Any:
        import yaml

        asked = self.json()
        header = re.match(r"---\n(.*?)\n---\n", asked["content"], re.S)
        card = yaml.safe_load(header[1]) if header else {}
        errors = []
        space = asked.get("repoType") == "space"
        if space and (card.get("sdk") not in ("docker", "gradio", "static") or len(card["short_description"]) > 60):
            errors.append('"sdk" must be one of docker, gradio, static, "short_description" at most 60 characters')
        if card.get("license") not in _LICENCES and not (space and "license" not in card):
            errors.append(f'"license" must be one of {sorted(_LICENCES)}')
        if asked.get("repoType") == "dataset":
            if not set(card.get("size_categories", [])) <= _SIZES:
                errors.append('"size_categories" is unknown')
            if not set(card.get("task_categories", [])) <= _TASKS:
                errors.append('"task_categories" is unknown')
            if not all(re.fullmatch("[a-z]{2,3}", code) for code in card.get("language", [])):
                errors.append('"language" must be ISO 639 codes')
            for config in card.get("configs", []):
                if not isinstance(config.get("config_name"), str) or not config.get("data_files"):
                    errors.append('"configs" entries need config_name and data_files')
        answer = {"errors": [{"message": error} for error in errors], "warnings": []}
        if errors:
            self.reply(400, json.dumps(answer).encode())
        return answer

    def info(self, kinds: str, name: str, rev: str = "") -> Any:
        repo, commit = self.at(kinds, name, rev)
        siblings = [{"rfilename": path} for path in sorted(commit.files)]
        told = {"id": name, "_id": name, "sha": commit.oid, "private": repo.private, "gated": repo.gated, "tags": []}
        return told | {"disabled": False, "downloads": 0, "likes": 0, "siblings": siblings, "lastModified": _DATE}

    @staticmethod
    def entry(path: str, blob: Blob) -> dict[str, Any]:
        lfs = {"lfs": {"oid": blob.sha256, "size": blob.size, "pointerSize": 130}} if blob.sha256 else {}
        return {"type": "file", "path": path, "size": blob.size, "oid": blob.oid, **lfs}

    def tree(self, kinds: str, name: str, rev: str, file: str) -> Any:
        _, commit = self.at(kinds, name, rev)
        prefix = f"{file.rstrip('/')}/" if file else ""
        inside = {path: blob for path, blob in sorted(commit.files.items()) if path.startswith(prefix)}
        if file and not inside:
            raise RefusalError(404, f"{file} does not exist on {rev}", "EntryNotFound")
        folders = {prefix + path[len(prefix) :].split("/")[0] for path in inside if "/" in path[len(prefix) :]}
        deep = self.query.get("recursive") in (["true"], ["True"], ["1"])
        if deep:
            folders = {str(parent) for path in inside for parent in Path(path).parents if str(parent) != "."}
        told = [{"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in sorted(folders)]
        return told + [self.entry(p, b) for p, b in inside.items() if deep or "/" not in p[len(prefix) :]]

    def paths_info(self, kinds: str, name: str, rev: str) -> Any:
        _, commit = self.at(kinds, name, rev)
        form = parse_qs(self.body.decode())
        asked = form.get("paths") or self.json().get("paths", [])
        told = [self.entry(path, commit.files[path]) for path in asked if path in commit.files]
        folders = [path for path in asked if any(f.startswith(f"{path}/") for f in commit.files)]
        return told + [{"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in folders]

    def refs(self, kinds: str, name: str) -> Any:
        refs = self.open(kinds, name).refs.items()

        def told(prefix: str) -> list[dict[str, str]]:
            return [
                {"name": r.removeprefix(prefix), "ref": r, "targetCommit": oid}
                for r, oid in refs
                if r.startswith(prefix)
            ]

        return {
            "branches": told("refs/heads/"),
            "tags": told("refs/tags/"),
            "converts": [],
            "pullRequests": told("refs/pr/"),
        }

    def tag(self, kinds: str, name: str, rev: str) -> Any:
        self.need_write()
        repo, commit = self.at(kinds, name, rev)
        ref = f"refs/tags/{self.json()['tag']}"
        if ref in repo.refs:
            raise RefusalError(409, "Tag reference exists already")
        repo.refs[ref] = commit.oid
        return {}

    def branch(self, kinds: str, name: str, rev: str) -> Any:
        self.need_write()
        repo, commit = self.at(kinds, name, self.json().get("startingPoint", "main"))
        repo.refs[f"refs/heads/{rev}"] = commit.oid
        return {}

    def preupload(self, kinds: str, name: str, rev: str) -> Any:
        self.need_write()
        _, commit = self.at(kinds, name, rev)
        return {
            "files": [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if _LFS.search(file["path"]) or file["size"] > 10_000_000 else "regular",
                    "shouldIgnore": False,
                    "oid": known.oid if (known := commit.files.get(file["path"])) else None,
                }
                for file in self.json()["files"]
            ]
        }

    def lfs_batch(self, path: str) -> Any:
        self.need_write()

        def told(asked: dict[str, Any]) -> dict[str, Any]:
            if (self.hub.lfs / asked["oid"]).exists():
                return asked
            actions = {
                "upload": {"href": f"{self.hub.url}/lfs/{asked['oid']}"},
                "verify": {"href": f"{self.hub.url}/lfs-verify"},
            }
            return asked | {"actions": actions}

        return {"transfer": "basic", "objects": [told(asked) for asked in self.json()["objects"]]}

    def put_lfs(self, sha: str) -> Any:
        if hashlib.sha256(self.body).hexdigest() != sha:
            raise RefusalError(400, "content does not match its hash")
        partial = self.hub.lfs / f"{sha}.{threading.get_ident()}"
        partial.write_bytes(self.body)
        partial.rename(self.hub.lfs / sha)
        return {}

    def lfs_verify(self) -> Any:
        asked = self.json()
        if not (self.hub.lfs / asked["oid"]).exists():
            raise RefusalError(404, "LFS object not found")
        return {}

    def commit(self, kinds: str, name: str, rev: str) -> Any:
        self.need_write()
        lines = [json.loads(line) for line in self.body.splitlines() if line]
        header = next(line["value"] for line in lines if line["key"] == "header")
        with self.hub.lock:
            repo, base = self.at(kinds, name, rev)
            if header.get("parentCommit") not in (None, base.oid):
                raise RefusalError(412, "A commit has happened since. Please refresh and try again.")
            files = dict(base.files)
            for line in lines:
                self.apply(files, line["key"], line["value"])
            ref = next((r for r in (f"refs/heads/{rev}", rev) if r in repo.refs), "refs/heads/main")
            if "create_pr" in self.query:
                ref = f"refs/pr/{sum(r.startswith('refs/pr/') for r in repo.refs) + 1}"
            made = repo.add(ref, header["summary"], files)
        url = f"{self.hub.url}/{'datasets/' if kinds == 'datasets' else ''}{name}"
        pull = {"pullRequestUrl": f"{url}/discussions/{ref.rpartition('/')[2]}"} if "create_pr" in self.query else {}
        return {
            "success": True,
            "commitOid": made.oid,
            "commitUrl": f"{url}/commit/{made.oid}",
            "hookOutput": "",
            **pull,
        }

    def apply(self, files: dict[str, Blob], key: str, value: dict[str, Any]) -> None:
        path = value.get("path", "")
        if key == "file":
            files[path] = self.hub.keep(base64.b64decode(value["content"]))
        elif key == "lfsFile":
            if not (self.hub.lfs / value["oid"]).exists():
                raise RefusalError(400, f"LFS object of {path} was never uploaded")
            pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{value['oid']}\nsize {value['size']}\n"
            files[path] = Blob(git_oid(pointer.encode()), value["size"], value["oid"])
        elif key == "deletedFile":
            if files.pop(path, None) is None:
                raise RefusalError(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
        elif key == "deletedFolder":
            for inside in [f for f in files if f.startswith(f"{path.rstrip('/')}/")]:
                del files[inside]

    def resolve(self, kinds: str, name: str, rev: str, file: str) -> Any:
        _, commit = self.at(kinds, name, rev)
        blob = commit.files.get(file)
        if blob is None:
            raise RefusalError(404, f"{file} does not exist in {rev}", "EntryNotFound")
        etag = f'"{blob.sha256 or blob.oid}"'
        headers = {"ETag": etag, "X-Repo-Commit": commit.oid, "Accept-Ranges": "bytes", "X-Linked-Size": str(blob.size)}
        if blob.sha256:
            headers["X-Linked-Etag"] = etag
        if self.command == "HEAD":
            self.reply(200, b"", headers, blob.size)
            return None
        data = self.hub.read(blob)
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start, end = int(asked[1]), min(int(asked[2] or blob.size - 1), blob.size - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{blob.size}"
            self.reply(206, data[start : end + 1], headers)
        else:
            self.reply(200, data, headers)
        return None

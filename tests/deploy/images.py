"""Images by buildah, from base images that are made here: nothing is fetched from a registry of images."""

import contextlib
import functools
import json
import shutil
import subprocess
from pathlib import Path

from harness import CACHE, ROOT, run

DEBIAN = "docker.io/library/debian:bookworm-slim"
STORAGE = CACHE / "storage"
# As an engine does with `systempaths=unconfined`: bubblewrap's /proc has covers, under which no second bubblewrap
# can make its own, and in a chroot nobody makes namespaces. TREE PROGRAM..., with MOUNTS and LAST put in.
PIVOT = """
tree=$1
shift
mount --make-rprivate /
mount --bind "$tree" "$tree"
mount -t tmpfs tmpfs "$tree/tmp"
mount --rbind /dev "$tree/dev"
mount -t proc proc "$tree/proc"
MOUNTS
cd "$tree"
pivot_root . mnt
cd /
umount -l /mnt
LAST "$@"
exit 0
"""


@functools.cache
def storage() -> list:
    """How layers are kept: stacked, or copied where that does not work, which takes three times as long."""
    for driver in ("overlay", "vfs"):
        place = ["--storage-driver", driver, "--root", STORAGE / driver, "--runroot", STORAGE / "run" / driver]
        tried = subprocess.run(["buildah", *place, "info"], capture_output=True)
        if tried.returncode == 0:
            break
    return place


def buildah(*arguments) -> str:
    return run("buildah", *storage(), *arguments)


@contextlib.contextmanager
def debian():
    """The base image, until the block ends; then all images go."""
    base(DEBIAN)
    try:
        yield
    finally:
        buildah("rmi", "--all", "--force")


def base(name: str, *config: str):
    """A base image from the bare Debian of these tests."""
    container = buildah("from", "scratch")
    buildah("copy", container, CACHE / "debian", "/")
    if config:
        buildah("config", *config, container)
    buildah("commit", "--rm", container, name)


class Image:
    """What the Dockerfile makes."""

    def __init__(self, container: str, config: dict, tree: Path):
        self.container, self.config, self.tree = container, config, tree

    def command(self, work: Path, environment: dict, arguments=None) -> list[str]:
        user, group = self.config["User"].split(":")
        command = ["bwrap", "--ro-bind", self.tree, "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",
                   "--tmpfs", "/run", "--ro-bind", work / "secrets", "/run/secrets"]
        for volume in self.config.get("Volumes") or {}:
            command += ["--bind", work / Path(volume).parts[2], volume]
        command += ["--cap-drop", "ALL", "--unshare-pid", "--unshare-ipc", "--unshare-user", "--uid", user,
                    "--gid", group, "--die-with-parent", "--clearenv", "--chdir", self.config.get("WorkingDir") or "/"]
        for name, value in environment.items():
            command += ["--setenv", name, value]
        return [str(word) for word in (*command, *self.config["Entrypoint"], *(arguments or self.config["Cmd"]))]


def inside(tree: Path, *command, user: str = "", mounts: dict = {}, **environment) -> list[str]:
    """A command in namespaces of its own, with `tree` as its root: as root, or as USER:GROUP, unable to change it."""
    places = (f'mkdir -p "$tree{place}"; mount --bind -o ro {source} "$tree{place}"' for place, source in mounts.items())
    last = "env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin " + " ".join(f"{name}={value}" for name, value in environment.items())
    if user:
        uid, gid = user.split(":")
        last = ("mount -o remount,ro,bind /\nsetpriv --no-new-privs --bounding-set=-all "
                f"--reuid={uid} --regid={gid} --clear-groups {last}")
    script = PIVOT.replace("MOUNTS", "\n".join(places)).replace("LAST", last)
    return [str(word) for word in
            ("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", script, "sh", tree, *command)]


def checkout(directory: Path) -> Path:
    """A copy of exactly what git has."""
    names = run("git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "-z").split("\0")
    for name in filter(lambda name: (ROOT / name).is_file(), names):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, directory / name)
    return directory


@contextlib.contextmanager
def built(target: str, context: Path, *arguments: str, volumes=()):
    """Builds a target of the Dockerfile with these build arguments; `volumes` are there while it is built."""
    options = [word for argument in arguments for word in ("--build-arg", argument)]
    options += [word for volume in volumes for word in ("--volume", volume)]
    buildah("bud", "--layers", "--isolation", "chroot", "--format", "docker", "--pull-never", *options,
            "--target", target, "--tag", f"kasm-mcp-{target}", context)
    container = buildah("from", "--pull-never", f"localhost/kasm-mcp-{target}")
    try:
        inspected = json.loads(buildah("inspect", "--type", "image", f"localhost/kasm-mcp-{target}"))
        yield Image(container, inspected["Docker"]["config"], Path(buildah("mount", container)))
    finally:
        buildah("rm", container)

"""Say where the size of an image goes: `python images/size.py IMAGE`."""

from __future__ import annotations

import sys

import docker

PARTS = """
cd /opt/sagecask/lib/python3.*/site-packages
du -sk --apparent-size * | sort -rn
"""
SMALLEST_NAMED_KB = 2000


def main(name: str) -> None:
    """Print megabytes (10^6 bytes) of the image, of its base and of each library in it."""
    client = docker.from_env()
    image = client.images.get(name)
    listing = client.containers.run(image, ["-c", PARTS], entrypoint="sh", remove=True, network_mode="none").decode()
    parts = {part: int(kilobytes) for kilobytes, part in (line.split("\t") for line in listing.splitlines())}
    named = {part: size for part, size in parts.items() if size >= SMALLEST_NAMED_KB}
    total = image.attrs["Size"] / 1e6
    environment = sum(parts.values()) * 1024 / 1e6
    rows = [(name, total), ("base: Debian and Python", total - environment)]
    rows += [(part, size * 1024 / 1e6) for part, size in named.items()]
    rows.append((f"{len(parts) - len(named)} smaller", environment - sum(named.values()) * 1024 / 1e6))
    for part, megabytes in rows:
        print(f"{megabytes:8.1f} MB  {part}")


if __name__ == "__main__":
    main(sys.argv[1])

#!/bin/bash
# Install edge-swap as a service on a Raspberry Pi 4 or 5, 64-bit Raspberry Pi OS (Bookworm, Trixie).
#
#   sudo ./install.sh [SOURCE]
#
# SOURCE is a checkout of edge-swap or its wheel; by default the checkout that this script lies in.
# It can be run again: keys, bundle and pictures stay. Nothing is started before you say so.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
source=${1:-$(cd "$here/../../.." && pwd -P)}
home=/opt/edge-swap
venv=$home/venv

fail() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 2
}

[ "$(uname -m)" = aarch64 ] || fail "this is $(uname -m): a 64-bit system on a Raspberry Pi is needed"
[ "$(id -u)" = 0 ] || fail "run it with sudo: it makes a group, folders and a service"
[ -e "$source" ] || fail "$source: no such checkout or wheel"
# pip takes a name without a slash for a package, and would fetch that as root.
source=$(realpath -- "$source")
# shellcheck source=/dev/null
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")

echo "== packages"
apt-get update -qq
apt-get install -y -qq --no-install-recommends python3-venv
# Raspberry Pi OS has it, with the libcamera that it needs; plain Debian has not.
apt-get install -y -qq --no-install-recommends python3-picamera2 ||
    echo "no python3-picamera2 here: a camera on the ribbon cable will not do, a USB one will" >&2

echo "== environment $venv"
mkdir -p "$home/bin"
# Also one that was half made when this was interrupted, or made for the Python of an older system.
"$venv/bin/python" -m pip --version >/dev/null 2>&1 || python3 -m venv --system-site-packages "$venv"
pins=()
# Bookworm's picamera2 was built for numpy 1, and OpenCV 4.11 is the last that takes it.
[ "$codename" != bookworm ] || pins=('numpy>=1.26,<2' 'opencv-python-headless==4.11.0.86')
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "${source}[cpu,litert,video,live]" ${pins[@]+"${pins[@]}"}
"$venv/bin/edge" --version
"$venv/bin/python" - <<'PYTHON'
try:
    import picamera2  # noqa: F401
    print("picamera2: there")
except (ImportError, ValueError) as error:
    print(f"picamera2: not usable ({error}); USB cameras are")
PYTHON

echo "== group, folders, keys"
getent group edge-swap >/dev/null || groupadd --system edge-swap
install -d -m 0700 /etc/edge-swap/admin
install -d -m 0755 /etc/edge-swap/public
install -d -m 2770 -g edge-swap /srv/edge-swap /srv/edge-swap/in /srv/edge-swap/batches \
    /srv/edge-swap/out /srv/edge-swap/failed /srv/edge-swap/live
# The device's signing key and its operator's key are made at first use; root's alone.
EDGE_HOME=/etc/edge-swap/admin "$venv/bin/edge" keys show
EDGE_HOME=/etc/edge-swap/admin "$venv/bin/python" -c \
    'from edge.consent.operator import operator_key; operator_key()'
"$here/edge-swap-admin" sync

echo "== service"
install -m 0755 "$here/edge-swap-run" "$here/edge-swap-live" "$here/edge-swap-admin" "$here/capture.py" \
    "$here/selftest" "$home/bin/"
install -m 0644 "$here/edge-swap-home" "$home/bin/"
install -m 0644 "$here/edge-swap.service" "$here/edge-swap.timer" \
    "$here/edge-swap-live.service" /etc/systemd/system/
systemctl daemon-reload
# 0.0 is best; 10.0 is a service that is not confined at all.
systemd-analyze security --no-pager --offline=yes /etc/systemd/system/edge-swap.service \
    /etc/systemd/system/edge-swap-live.service | grep exposure ||
    echo "this systemd does not rate a unit offline" >&2

cat <<NEXT

Next (README.md beside this kit):
  sudo $home/bin/edge-swap-admin bundle alice-pi/ BUILDER_KEY
  $venv/bin/edge bundle trust add BUILDER_KEY && $home/bin/selftest alice-pi/
  sudo systemctl enable --now edge-swap.timer       # pictures in a folder
  sudo systemctl enable --now edge-swap-live        # or a camera, as it comes
NEXT

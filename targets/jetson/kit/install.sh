#!/bin/bash
# Install edge-swap as a service on a Jetson with JetPack 6 or 7.
#
#   sudo ./install.sh ONNXRUNTIME [SOURCE]
#
# ONNXRUNTIME is the wheel of onnxruntime-gpu for this JetPack and Python, or the word "keep" where
# one is installed already. It comes from NVIDIA's Jetson AI Lab (jp6/cu126 for JetPack 6) or is
# built on the board: PyPI has none for a Jetson. SOURCE is a checkout of edge-swap or its wheel; by
# default the checkout that this script lies in. It can be run again: keys and pictures stay.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
runtime=${1:-}
source=${2:-$(cd "$here/../../.." && pwd -P)}
home=/opt/edge-swap
venv=$home/venv

fail() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 2
}

[ "$(uname -m)" = aarch64 ] || fail "this is $(uname -m): a Jetson is needed"
[ -n "$runtime" ] || fail "name the wheel of onnxruntime-gpu for this JetPack, or 'keep'"
[ "$runtime" = keep ] || [ -f "$runtime" ] || fail "$runtime: no such wheel"
[ "$(id -u)" = 0 ] || fail "run it with sudo: it makes a group, folders and a service"
[ -e /etc/nv_tegra_release ] || fail "no /etc/nv_tegra_release: this is no JetPack"
[ -e "$source" ] || fail "$source: no such checkout or wheel"
# pip takes a name without a slash for a package, and would fetch that as root.
source=$(realpath -- "$source")
[ "$runtime" = keep ] || runtime=$(realpath -- "$runtime")
head -n 1 /etc/nv_tegra_release

echo "== packages"
apt-get update -qq
apt-get install -y -qq --no-install-recommends python3-venv
# JetPack's OpenCV was built with GStreamer.
apt-get install -y -qq --no-install-recommends libopencv-python ||
    echo "no libopencv-python here: a CSI camera will not do, a USB one will" >&2

echo "== environment $venv"
mkdir -p "$home/bin"
# What JetPack installs for all (CUDA, TensorRT, OpenCV) stays in sight.
# Also one that was half made when this was interrupted, or made for the Python of an older system.
"$venv/bin/python" -m pip --version >/dev/null 2>&1 || python3 -m venv --system-site-packages "$venv"
pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }
# Without the extra [cpu]: its onnxruntime would be installed over the GPU's.
pip install --quiet "${source}[video,live]"
if [ "$runtime" != keep ]; then
    pip uninstall --quiet --yes onnxruntime onnxruntime-gpu 2>/dev/null || true
    pip install --quiet "$runtime"
fi
# JetPack's OpenCV has GStreamer. Where it is as new as edge-swap needs, and loads with the numpy
# here, it is used in the environment too; else it stays where it is, and capture.py uses it there.
if (cd / && /usr/bin/python3 - <<'PYTHON'
import re, sys
try:
    import cv2
except ImportError:
    sys.exit(1)
new = tuple(map(int, cv2.__version__.split(".")[:2])) >= (4, 11)
sys.exit(not (new and re.search(r"GStreamer:\s+YES", cv2.getBuildInformation())))
PYTHON
); then
    pip uninstall --quiet --yes opencv-python-headless
    "$venv/bin/python" -c 'import cv2' 2>/dev/null ||
        pip install --quiet 'opencv-python-headless>=4.11.0.86'
fi
"$venv/bin/edge" --version
"$venv/bin/python" "$here/check-gpu.py" ||
    fail "the GPU is not usable from $venv (see above); nothing was set up as a service"

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
    "$here/check-gpu.py" "$here/selftest" "$home/bin/"
install -m 0644 "$here/edge-swap-home" "$home/bin/"
install -m 0644 "$here/edge-swap.service" "$here/edge-swap.timer" \
    "$here/edge-swap-live.service" /etc/systemd/system/
systemctl daemon-reload
systemd-analyze security --no-pager --offline=yes /etc/systemd/system/edge-swap.service \
    /etc/systemd/system/edge-swap-live.service | grep exposure ||
    echo "this systemd does not rate a unit offline" >&2
nvpmodel -q || true

cat <<NEXT

Next (README.md beside this kit):
  sudo $home/bin/edge-swap-admin bundle alice-jetson/ BUILDER_KEY
  $venv/bin/edge bundle trust add BUILDER_KEY && $home/bin/selftest alice-jetson/
  sudo systemctl enable --now edge-swap.timer       # pictures in a folder
  sudo systemctl enable --now edge-swap-live        # or a camera, as it comes
NEXT

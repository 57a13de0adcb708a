#!/usr/bin/env bash
# wget: one run for each URL, but for tunnel-reuse, where one run fetches them all.
set -u
scenario=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

options=(-S --tries=1 --timeout=300 --ca-certificate="$SSL_CERT_FILE")
options+=(-e use_proxy=yes -e "http_proxy=$PROXY" -e "https_proxy=$PROXY")
case $scenario in
  post-length) options+=(--post-data="$BODY") ;;
  expect-continue) options+=(--header='Expect: 100-continue' --post-data="$BODY") ;;
  upload) options+=(--post-file="$BODY_FILE") ;;
  head) options+=(--method=HEAD) ;;
  no-body) options+=(--header='If-None-Match: "e"') ;;
esac

text() { sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' "$1" | tr '\n\r\t' '   ' | sed -e 's/ *$//'; }

answers=()
fetch() {
  : >"$work/body"
  wget "${options[@]}" -O "$work/body" "$@" 2>"$work/error"
  local code=$? body status length
  # A proxy's answer to CONNECT shows as well: the last status is that of the target.
  status=$(sed -n 's/^ *HTTP\/1\.[01] \([0-9]*\).*/\1/p' "$work/error" | tail -1)
  length=$(sed -n 's/^ *Content-Length: \([0-9]*\).*/\1/p' "$work/error" | tail -1)
  if [ "$scenario" = download ]; then body=$(sha256sum <"$work/body" | cut -d' ' -f1); else body=$(text "$work/body"); fi
  local line="\"status\":${status:-null},\"body\":\"$body\",\"length\":${length:-null}"
  [ $code -eq 0 ] || line+=",\"error\":\"$(grep -vE '^ *([A-Z][A-Za-z-]*:|HTTP/)|^$' "$work/error" >"$work/said"; text "$work/said")\""
  answers+=("{$line}")
}

if [ "$scenario" = abort ]; then
  for url; do answers+=("{\"body\":\"$(wget "${options[@]}" -q -O - "$url" 2>"$work/error" | head -c 65536 | wc -c)\"}"); done
elif [ "$scenario" = tunnel-reuse ]; then
  fetch "$@"
  # Both bodies came in one file, in order.
  answers=("${answers[0]}" "${answers[0]}")
else
  for url; do fetch "$url"; done
fi
(IFS=,; echo "[${answers[*]}]")

#!/usr/bin/env bash
# curl: one run for each URL, but for tunnel-reuse, where one run fetches them all.
set -u
scenario=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

options=(-sS --max-time 300 -x "$PROXY" --proxy-cacert "$SSL_CERT_FILE")
case $scenario in
  post-length) options+=(--data-binary "$BODY") ;;
  post-chunked) options+=(-H 'Transfer-Encoding: chunked' --data-binary "$BODY") ;;
  expect-continue) options+=(-H 'Expect: 100-continue' --data-binary "$BODY") ;;
  upload) options+=(-X POST -H 'Expect:' -T "$BODY_FILE") ;;
  head) options+=(-I) ;;
  no-body) options+=(-H 'If-None-Match: "e"') ;;
  redirect) options+=(-L) ;;
  challenge) options+=(--proxy-anyauth) ;;
esac

text() { sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' "$1" | tr '\n\r\t' '   ' | sed -e 's/ *$//'; }

# body FILE: what the answer says of it
body() {
  case $scenario in
    head) ;;
    download) sha256sum <"$1" | cut -d' ' -f1 ;;
    *) text "$1" ;;
  esac
}

answers=()
fetch() {
  local at=0 outputs=() line
  for url; do outputs+=(-o "$work/body$((at++))" "$url"); done
  curl "${options[@]}" -w '%{http_code} %header{content-length}\n' "${outputs[@]}" >"$work/written" 2>"$work/error"
  local code=$?
  at=0
  while read -r status length; do
    touch "$work/body$at"
    line="\"status\":$((10#$status)),\"body\":\"$(body "$work/body$at")\",\"length\":${length:-null}"
    [ $code -eq 0 ] || line+=",\"error\":\"$(text "$work/error")\""
    answers+=("{$line}")
    rm -f "$work/body$((at++))"
  done <"$work/written"
}

if [ "$scenario" = abort ]; then
  for url; do answers+=("{\"body\":\"$(curl "${options[@]}" "$url" 2>"$work/error" | head -c 65536 | wc -c)\"}"); done
elif [ "$scenario" = tunnel-reuse ]; then
  fetch "$@"
else
  for url; do fetch "$url"; done
fi
(IFS=,; echo "[${answers[*]}]")

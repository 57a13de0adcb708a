<?php
// PHP's curl extension: one handle, which keeps its connections.
[, $scenario] = $argv;
$small = getenv('BODY');
$handle = curl_init();

function options(string $scenario, string $small): array
{
    $options = [
        CURLOPT_PROXY => getenv('PROXY'),
        CURLOPT_CAINFO => getenv('SSL_CERT_FILE'),
        CURLOPT_PROXY_CAINFO => getenv('SSL_CERT_FILE'),
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 300,
    ];
    switch ($scenario) {
        case 'post-length':
            return [CURLOPT_POSTFIELDS => $small] + $options;
        case 'expect-continue':
            return [CURLOPT_POSTFIELDS => $small, CURLOPT_HTTPHEADER => ['Expect: 100-continue']] + $options;
        case 'post-chunked':
            $rest = $small;
            return [
                CURLOPT_POST => true,
                CURLOPT_HTTPHEADER => ['Transfer-Encoding: chunked'],
                CURLOPT_READFUNCTION => function ($_handle, $_file, $most) use (&$rest) {
                    $piece = substr($rest, 0, min($most, 5));
                    $rest = substr($rest, strlen($piece));
                    return $piece;
                },
            ] + $options;
        case 'upload':
            $file = getenv('BODY_FILE');
            return [
                CURLOPT_UPLOAD => true,
                CURLOPT_CUSTOMREQUEST => 'POST',
                CURLOPT_HTTPHEADER => ['Expect:'],
                CURLOPT_INFILE => fopen($file, 'rb'),
                CURLOPT_INFILESIZE => filesize($file),
            ] + $options;
        case 'head':
            return [CURLOPT_NOBODY => true] + $options;
        case 'no-body':
            return [CURLOPT_HTTPHEADER => ['If-None-Match: "e"']] + $options;
        case 'redirect':
            return [CURLOPT_FOLLOWLOCATION => true] + $options;
        case 'challenge':
            return [CURLOPT_PROXYAUTH => CURLAUTH_ANY] + $options;
    }
    return $options;
}

function fetch($handle, string $scenario, string $url, string $small): array
{
    curl_reset($handle);
    curl_setopt_array($handle, [CURLOPT_URL => $url] + options($scenario, $small));
    $text = null;
    if ($scenario === 'download') {
        $hash = hash_init('sha256');
        curl_setopt($handle, CURLOPT_WRITEFUNCTION, function ($_handle, $piece) use ($hash) {
            hash_update($hash, $piece);
            return strlen($piece);
        });
    } elseif ($scenario === 'abort') {
        // To take less than was given is how curl is told to break off.
        curl_setopt($handle, CURLOPT_WRITEFUNCTION, function ($_handle, $piece) use (&$text) {
            $text = (string) strlen($piece);
            return 0;
        });
    }
    $body = curl_exec($handle);
    $answer = [
        'status' => curl_getinfo($handle, CURLINFO_RESPONSE_CODE),
        'body' => $text ?? ($scenario === 'download' ? hash_final($hash) : (string) $body),
        'length' => (int) curl_getinfo($handle, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T),
    ];
    return curl_errno($handle) === 0 ? $answer : $answer + ['error' => curl_error($handle)];
}

$answers = [];
foreach (array_slice($argv, 2) as $url) {
    $answers[] = fetch($handle, $scenario, $url, $small);
}
echo json_encode($answers), "\n";

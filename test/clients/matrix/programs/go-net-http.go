// net/http with a Transport that was given the proxy; a WebSocket over its 101.
package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

type answer struct {
	Status int    `json:"status,omitempty"`
	Body   string `json:"body"`
	Length int64  `json:"length"`
	Error  string `json:"error,omitempty"`
}

var scenario = os.Args[1]
var small = os.Getenv("BODY")

func main() {
	proxy, err := url.Parse(os.Getenv("PROXY"))
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyURL(proxy),
		DisableCompression:    true,
		ExpectContinueTimeout: 10 * time.Second,
	}}
	answers := []answer{}
	for _, target := range os.Args[2:] {
		told, err := fetch(client, target)
		if err != nil {
			told = answer{Error: err.Error()}
		}
		answers = append(answers, told)
	}
	json.NewEncoder(os.Stdout).Encode(answers)
}

func fetch(client *http.Client, target string) (answer, error) {
	if scenario == "websocket" {
		return echo(client, target)
	}
	request, err := request(target)
	if err != nil {
		return answer{}, err
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	told := answer{Status: response.StatusCode, Length: response.ContentLength}
	switch scenario {
	case "abort":
		n, err := io.ReadFull(response.Body, make([]byte, 65536))
		told.Body = strconv.Itoa(n)
		return told, err
	case "download":
		sum := sha256.New()
		_, err = io.Copy(sum, response.Body)
		told.Body = hex.EncodeToString(sum.Sum(nil))
	default:
		var octets []byte
		octets, err = io.ReadAll(response.Body)
		told.Body = string(octets)
	}
	return told, err
}

func request(target string) (*http.Request, error) {
	switch scenario {
	case "head":
		return http.NewRequest("HEAD", target, nil)
	case "post-length":
		return http.NewRequest("POST", target, strings.NewReader(small))
	case "post-chunked":
		// Of a reader that is no buffer the length is not known.
		return http.NewRequest("POST", target, io.MultiReader(strings.NewReader(small[:5]), strings.NewReader(small[5:])))
	case "expect-continue":
		request, err := http.NewRequest("POST", target, strings.NewReader(small))
		request.Header.Set("Expect", "100-continue")
		return request, err
	case "upload":
		file, err := os.Open(os.Getenv("BODY_FILE"))
		if err != nil {
			return nil, err
		}
		info, err := file.Stat()
		if err != nil {
			return nil, err
		}
		request, err := http.NewRequest("POST", target, file)
		request.ContentLength = info.Size()
		return request, err
	}
	request, err := http.NewRequest("GET", target, nil)
	if scenario == "no-body" {
		request.Header.Set("If-None-Match", `"e"`)
	}
	return request, err
}

// One masked text frame out, one frame back.
func echo(client *http.Client, target string) (answer, error) {
	request, err := http.NewRequest("GET", strings.Replace(target, "ws", "http", 1), nil)
	if err != nil {
		return answer{}, err
	}
	key := make([]byte, 16)
	rand.Read(key)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": base64.StdEncoding.EncodeToString(key),
	} {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	stream, writable := response.Body.(io.ReadWriteCloser)
	if response.StatusCode != 101 || !writable {
		return answer{}, errors.New("no switch: " + response.Status)
	}
	frame := append([]byte{0x81, 0x85, 1, 2, 3, 4}, "sally"...)
	for i := 0; i < 5; i++ {
		frame[6+i] ^= frame[2+i%4]
	}
	if _, err := stream.Write(frame); err != nil {
		return answer{}, err
	}
	back := make([]byte, 7)
	if _, err := io.ReadFull(stream, back); err != nil {
		return answer{}, err
	}
	if !bytes.HasPrefix(back, []byte{0x81, 5}) {
		return answer{}, errors.New("not a text frame of 5 octets")
	}
	return answer{Status: 101, Body: string(back[2:])}, nil
}

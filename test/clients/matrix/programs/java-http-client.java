// java.net.http.HttpClient, with an Authenticator: it asks without credentials first, and again with them.
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.net.Authenticator;
import java.net.InetSocketAddress;
import java.net.PasswordAuthentication;
import java.net.ProxySelector;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;

class JavaHttpClient {
  static final String SMALL = System.getenv("BODY");
  static String scenario;

  public static void main(String[] words) throws Exception {
    scenario = words[0];
    URI proxy = URI.create(System.getenv("PROXY"));
    String[] credentials = proxy.getUserInfo().split(":");
    HttpClient client = HttpClient.newBuilder()
        .version(HttpClient.Version.HTTP_1_1)
        .followRedirects(HttpClient.Redirect.NORMAL)
        .proxy(ProxySelector.of(new InetSocketAddress(proxy.getHost(), proxy.getPort())))
        .authenticator(new Authenticator() {
          @Override
          protected PasswordAuthentication getPasswordAuthentication() {
            return new PasswordAuthentication(credentials[0], credentials[1].toCharArray());
          }
        })
        .build();
    List<String> answers = new ArrayList<>();
    for (int i = 1; i < words.length; i++) {
      try {
        answers.add(fetch(client, URI.create(words[i])));
      } catch (Exception error) {
        answers.add("{\"error\":" + text(error.toString()) + "}");
      }
    }
    System.out.println("[" + String.join(",", answers) + "]");
    // Its own threads would keep the process for a minute.
    System.exit(0);
  }

  static String fetch(HttpClient client, URI uri) throws Exception {
    if (scenario.equals("websocket")) return echo(client, uri);
    HttpRequest.Builder request = HttpRequest.newBuilder(uri).method(method(), body());
    if (scenario.equals("no-body")) request.header("If-None-Match", "\"e\"");
    if (scenario.equals("expect-continue")) request.expectContinue(true);
    HttpResponse<InputStream> response = client.send(request.build(), BodyHandlers.ofInputStream());
    long length = response.headers().firstValueAsLong("content-length").orElse(-1);
    try (InputStream stream = response.body()) {
      String body = switch (scenario) {
        case "abort" -> String.valueOf(stream.readNBytes(65536).length);
        case "download" -> digest(stream);
        default -> new String(stream.readAllBytes());
      };
      return "{\"status\":" + response.statusCode() + ",\"body\":" + text(body) + ",\"length\":" + length + "}";
    }
  }

  static String method() {
    return switch (scenario) {
      case "post-length", "post-chunked", "expect-continue", "upload" -> "POST";
      case "head" -> "HEAD";
      default -> "GET";
    };
  }

  static BodyPublisher body() throws Exception {
    return switch (scenario) {
      case "post-length", "expect-continue" -> BodyPublishers.ofString(SMALL);
      case "post-chunked" -> BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(SMALL.getBytes()));
      case "upload" -> BodyPublishers.ofFile(Path.of(System.getenv("BODY_FILE")));
      default -> BodyPublishers.noBody();
    };
  }

  static String echo(HttpClient client, URI uri) throws Exception {
    CompletableFuture<String> heard = new CompletableFuture<>();
    WebSocket socket = client.newWebSocketBuilder().buildAsync(uri, new WebSocket.Listener() {
      @Override
      public CompletionStage<?> onText(WebSocket from, CharSequence data, boolean last) {
        heard.complete(data.toString());
        return null;
      }
    }).get(20, TimeUnit.SECONDS);
    socket.sendText("sally", true);
    String body = heard.get(20, TimeUnit.SECONDS);
    socket.abort();
    return "{\"status\":101,\"body\":" + text(body) + "}";
  }

  static String digest(InputStream stream) throws Exception {
    MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
    byte[] buffer = new byte[1 << 20];
    for (int read; (read = stream.read(buffer)) != -1;) sha256.update(buffer, 0, read);
    return HexFormat.of().formatHex(sha256.digest());
  }

  static String text(String value) {
    return "\"" + value.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n").replace("\r", "\\r") + "\"";
  }
}

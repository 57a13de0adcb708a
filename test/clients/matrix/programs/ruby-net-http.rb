# Net::HTTP of the standard library, one connection an origin.
require 'digest'
require 'json'
require 'net/http'
require 'stringio'
require 'uri'

scenario, *urls = ARGV
proxy = URI(ENV.fetch('PROXY'))
small = ENV.fetch('BODY')
file = ENV.fetch('BODY_FILE')
kept = Hash.new do |table, (host, port, scheme)|
  http = Net::HTTP.new(host, port, proxy.host, proxy.port, proxy.user, proxy.password)
  http.use_ssl = scheme == 'https'
  http.read_timeout = 300
  http.continue_timeout = 10
  table[[host, port, scheme]] = http.start
end

request = lambda do |uri|
  case scenario
  when 'head' then Net::HTTP::Head.new(uri)
  when 'post-length', 'post-chunked', 'expect-continue', 'upload'
    post = Net::HTTP::Post.new(uri, 'Content-Type' => 'text/plain')
    post['Expect'] = '100-continue' if scenario == 'expect-continue'
    if scenario == 'post-chunked'
      post['Transfer-Encoding'] = 'chunked'
      post.body_stream = StringIO.new(small)
    elsif scenario == 'upload'
      post.content_length = File.size(file)
      post.body_stream = File.open(file, 'rb')
    else
      post.body = small
    end
    post
  else
    get = Net::HTTP::Get.new(uri)
    get['If-None-Match'] = '"e"' if scenario == 'no-body'
    get
  end
end

fetch = lambda do |url|
  uri = URI(url)
  http = kept[[uri.hostname, uri.port, uri.scheme]]
  told = nil
  http.request(request.call(uri)) do |response|
    body = ''
    if scenario == 'download'
      sha256 = Digest::SHA256.new
      response.read_body { |piece| sha256 << piece }
      body = sha256.hexdigest
    elsif scenario == 'abort'
      response.read_body { |piece| throw :enough, { status: response.code.to_i, body: piece.bytesize.to_s } }
    else
      body = response.read_body.to_s
    end
    told = { status: response.code.to_i, body: body, length: response['Content-Length']&.to_i }
  end
  told
end

answers = urls.map do |url|
  catch(:enough) { fetch.call(url) }
rescue StandardError => e
  { error: "#{e.class}: #{e.message}" }
end
puts JSON.generate(answers)

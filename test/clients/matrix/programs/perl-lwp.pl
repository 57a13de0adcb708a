#!/usr/bin/perl
# LWP::UserAgent, keeping connections.
use strict;
use warnings;
use Digest::SHA;
use HTTP::Request;
use JSON::PP;
use LWP::UserAgent;

my ($scenario, @urls) = @ARGV;
my ($proxy, $body, $body_file) = @ENV{qw(PROXY BODY BODY_FILE)};
my $agent = LWP::UserAgent->new(keep_alive => 4, timeout => 300);

if ($scenario eq 'challenge') {
    my ($user, $key, $address) = $proxy =~ m{^http://([^:]+):([^@]+)\@(.+)$};
    $agent->proxy(['http'], "http://$address");
    # What LWP asks for the credentials of a 407; its own table is for targets only.
    no warnings 'redefine';
    *LWP::UserAgent::get_basic_credentials = sub { return ($user, $key) };
} else {
    $agent->proxy(['http', 'https'], $proxy);
}

my %posts = map { $_ => 1 } qw(post-length post-chunked expect-continue upload);
my $method = $posts{$scenario} ? 'POST' : $scenario eq 'head' ? 'HEAD' : 'GET';

sub request {
    my $request = HTTP::Request->new($method => shift);
    $request->header('If-None-Match' => '"e"') if $scenario eq 'no-body';
    $request->header(Expect => '100-continue') if $scenario eq 'expect-continue';
    if ($scenario eq 'post-chunked') {
        my @pieces = (substr($body, 0, 5), substr($body, 5));
        $request->content(sub { shift @pieces });
    } elsif ($scenario eq 'upload') {
        open my $file, '<:raw', $body_file or die "$body_file: $!";
        $request->header('Content-Length' => -s $file);
        my $piece;
        $request->content(sub { read($file, $piece, 65536) ? $piece : '' });
    } elsif ($method eq 'POST') {
        $request->content($body);
        $request->header('Content-Length' => length $body);
    }
    return $request;
}

sub fetch {
    my $request = request(shift);
    my $text;
    my $response;
    if ($scenario eq 'abort') {
        # To die in the callback is how LWP is told to break off.
        $response = $agent->request($request, sub { $text = length $_[0]; die 'enough' });
    } elsif ($scenario eq 'download') {
        my $sha256 = Digest::SHA->new(256);
        $response = $agent->request($request, sub { $sha256->add($_[0]) });
        $text = $sha256->hexdigest;
    } else {
        $response = $agent->request($request);
        $text = $response->content;
    }
    my $length = $response->header('Content-Length');
    my %answer = (status => 0 + $response->code, body => "$text", length => defined $length ? 0 + $length : undef);
    $answer{error} = $response->status_line if $response->code >= 400;
    return \%answer;
}

print encode_json([map { fetch($_) } @urls]), "\n";

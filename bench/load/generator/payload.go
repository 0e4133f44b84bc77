package main

import (
	"fmt"
	"math/rand"
	"strings"
	"time"
)

// A lineMaker returns log lines, one per call. The same seed gives the same lines.
type lineMaker func() []byte

var (
	paths = []string{"/", "/index.html", "/api/v1/items", "/api/v1/items/%d", "/api/v1/orders/%d", "/api/v2/search?q=%d",
		"/static/app.%d.js", "/static/main.css", "/img/%d.webp", "/login", "/health", "/cart/%d/checkout", "/user/%d/profile"}
	agents = []string{"Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (iPhone; CPU OS 18_2)", "Mozilla/5.0 (Windows NT 10.0)",
		"okhttp/4.12.0", "curl/8.11.1", "kube-probe/1.31", "Googlebot/2.1", "Go-http-client/2.0"}
	methods  = []string{"GET", "GET", "GET", "GET", "GET", "POST", "POST", "PUT", "DELETE", "HEAD"}
	statuses = []int{200, 200, 200, 200, 200, 200, 201, 204, 301, 304, 400, 403, 404, 499, 500, 502}
)

// access is what one web request leaves behind, in whatever format.
type access struct {
	at            time.Time
	ip, host, uri string
	method, agent string
	status, bytes int
	seconds       float64
	id            uint64
}

func newAccessSource(random *rand.Rand) func() access {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return func() access {
		at = at.Add(time.Duration(random.Intn(2_000_000)))
		uri := paths[random.Intn(len(paths))]
		if strings.Contains(uri, "%d") {
			uri = fmt.Sprintf(uri, random.Intn(1_000_000))
		}
		return access{
			at: at, uri: uri,
			ip:      fmt.Sprintf("%d.%d.%d.%d", 1+random.Intn(223), random.Intn(256), random.Intn(256), random.Intn(256)),
			host:    fmt.Sprintf("web-%02d", random.Intn(40)),
			method:  methods[random.Intn(len(methods))],
			agent:   agents[random.Intn(len(agents))],
			status:  statuses[random.Intn(len(statuses))],
			bytes:   random.Intn(60_000),
			seconds: random.ExpFloat64() / 20,
			id:      random.Uint64(),
		}
	}
}

// newLineMaker knows two kinds of line: "nginx" (JSON, 224 bytes on average) and "filebeat" (a JSON event of about 890 bytes).
func newLineMaker(kind string, seed int64) (lineMaker, error) {
	random := rand.New(rand.NewSource(seed))
	next := newAccessSource(random)
	switch kind {
	case "nginx":
		return func() []byte {
			a := next()
			return fmt.Appendf(nil, `{"time":"%s","remote_addr":"%s","host":"%s","method":"%s","uri":"%s","status":%d,"bytes":%d,`+
				`"request_time":%.3f,"agent":"%s","id":"%016x"}`,
				a.at.Format("2006-01-02T15:04:05.000Z"), a.ip, a.host, a.method, a.uri, a.status, a.bytes, a.seconds, a.agent, a.id)
		}, nil
	case "filebeat":
		return func() []byte {
			a := next()
			return fmt.Appendf(nil, `{"@timestamp":"%s","@metadata":{"beat":"filebeat","type":"_doc","version":"8.17.0"},`+
				`"input":{"type":"filestream"},"log":{"offset":%d,"file":{"path":"/var/log/nginx/access.log","device_id":"2049","inode":"%d"}},`+
				`"message":"%s - - [%s] \"%s %s HTTP/1.1\" %d %d \"-\" \"%s\" %.3f %016x","ecs":{"version":"8.0.0"},`+
				`"host":{"name":"%s","hostname":"%s","architecture":"x86_64","os":{"platform":"debian","version":"12 (bookworm)","family":"debian",`+
				`"name":"Debian GNU/Linux","kernel":"6.1.0-28-amd64","codename":"bookworm","type":"linux"},"id":"%016x","containerized":false,`+
				`"ip":["10.0.%d.%d"]},"agent":{"version":"8.17.0","ephemeral_id":"%016x","id":"%016x","name":"%s","type":"filebeat"},`+
				`"fields":{"service":"shop","env":"production"}}`,
				a.at.Format("2006-01-02T15:04:05.000Z"), random.Intn(1<<30), random.Intn(1<<22),
				a.ip, a.at.Format("02/Jan/2006:15:04:05 -0700"), a.method, a.uri, a.status, a.bytes, a.agent, a.seconds, a.id,
				a.host, a.host, uint64(len(a.host))*0x9e3779b97f4a7c15, a.id%4, a.id%251, 0x5bd1e995*uint64(a.host[4]), 0x2545f491*uint64(a.host[5]), a.host)
		}, nil
	}
	return nil, fmt.Errorf("-payload %q is not nginx or filebeat", kind)
}

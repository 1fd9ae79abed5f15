// A closed loop of puts or linearizable gets against etcd through its own Go client, so that the
// comparison is not with a slow client. Built and run by `npm run bench` where Go is present.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/clientv3"
)

func main() {
	endpoints := flag.String("endpoints", "", "comma-separated")
	clients := flag.Int("clients", 64, "closed-loop clients")
	connections := flag.Int("connections", 8, "client connections")
	seconds := flag.Float64("duration", 5, "seconds measured, after one second of warm-up")
	keys := flag.Int("keys", 10000, "distinct keys")
	size := flag.Int("value-size", 256, "bytes per value")
	read := flag.Bool("read", false, "linearizable gets instead of puts")
	flag.Parse()

	var pool []*clientv3.Client
	for i := 0; i < *connections; i++ {
		client, err := clientv3.New(clientv3.Config{Endpoints: strings.Split(*endpoints, ","), DialTimeout: 5 * time.Second})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		pool = append(pool, client)
	}
	value := strings.Repeat("x", *size)
	var counter uint64
	var measuring, stopped int32
	perClient := make([][]time.Duration, *clients)
	var group sync.WaitGroup
	for c := 0; c < *clients; c++ {
		group.Add(1)
		go func(c int) {
			defer group.Done()
			client := pool[c%len(pool)]
			for atomic.LoadInt32(&stopped) == 0 {
				key := fmt.Sprintf("k%08d", atomic.AddUint64(&counter, 2654435761)%uint64(*keys))
				start := time.Now()
				var err error
				if *read {
					_, err = client.Get(context.Background(), key)
				} else {
					_, err = client.Put(context.Background(), key, value)
				}
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				if atomic.LoadInt32(&measuring) == 1 {
					perClient[c] = append(perClient[c], time.Since(start))
				}
			}
		}(c)
	}
	time.Sleep(time.Second)
	atomic.StoreInt32(&measuring, 1)
	begin := time.Now()
	time.Sleep(time.Duration(*seconds * float64(time.Second)))
	elapsed := time.Since(begin).Seconds()
	atomic.StoreInt32(&measuring, 0)
	atomic.StoreInt32(&stopped, 1)
	group.Wait()

	var all []time.Duration
	for _, latencies := range perClient {
		all = append(all, latencies...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	at := func(share float64) float64 {
		if len(all) == 0 {
			return 0
		}
		return all[int(share*float64(len(all)-1))].Seconds() * 1000
	}
	json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"opsPerSecond": float64(len(all)) / elapsed,
		"latencyMs":    map[string]float64{"p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1)},
		"clients":      *clients,
	})
}

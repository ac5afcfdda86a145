// cert-manager runs the controllers of cert-manager, as it publishes them, against the test bed's API server.
//
// The published module holds no program: cert-manager's own lies in a module that is not published. This one
// wires the same public packages in the same order, under the same names of flags, for Certificates, requests,
// Issuers, Orders and Challenges. There is no webhook, no injector and no shim.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"

	"github.com/cert-manager/cert-manager/pkg/controller"
	_ "github.com/cert-manager/cert-manager/pkg/controller/acmechallenges"
	_ "github.com/cert-manager/cert-manager/pkg/controller/acmeorders"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/acme"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/ca"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/selfsigned"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	_ "github.com/cert-manager/cert-manager/pkg/controller/clusterissuers"
	_ "github.com/cert-manager/cert-manager/pkg/controller/issuers"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/acme"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/cert-manager/cert-manager/pkg/util"
	"github.com/cert-manager/cert-manager/pkg/util/feature"
)

const (
	workers    = 5
	challenges = 60
	startUp    = time.Minute // until the API server has answered the first questions
)

type settings struct {
	options                controller.ContextOptions
	without                []string
	listen, namespace      string
	elect                  bool
	lease, deadline, retry time.Duration
}

func list(target *[]string) func(string) error {
	return func(text string) error {
		*target = strings.Split(text, ",")
		return nil
	}
}

// Names of controllers, each of which there must be.
func controllers(target *[]string) func(string) error {
	return func(text string) error {
		*target = strings.Split(text, ",")
		for _, name := range *target {
			if controller.Known()[name] == nil {
				return fmt.Errorf("no controller '%s'", name)
			}
		}
		return nil
	}
}

// What is no flag here has the value that cert-manager gives it.
func parse() *settings {
	s := &settings{}
	o := &s.options
	o.MaxConcurrentChallenges = challenges
	o.ClusterIssuerAmbientCredentials = true
	o.CopiedAnnotationPrefixes = []string{"*", "-kubectl.kubernetes.io/", "-fluxcd.io/", "-argocd.argoproj.io/"}
	recursiveOnly := false
	flag.StringVar(&o.Kubeconfig, "kubeconfig", "", "of the API server")
	flag.StringVar(&o.ClusterResourceNamespace, "cluster-resource-namespace", "kube-system", "Secrets of ClusterIssuers")
	flag.Func("without", "controllers that are not to run, by commas", controllers(&s.without))
	flag.Func("feature-gates", "Name=true,...", feature.DefaultMutableFeatureGate.Set)
	flag.Func("dns01-recursive-nameservers", "host:port,...", list(&o.DNS01Nameservers))
	flag.BoolVar(&recursiveOnly, "dns01-recursive-nameservers-only", false, "ask no others")
	flag.DurationVar(&o.DNS01CheckRetryPeriod, "dns01-check-retry-period", 10*time.Second, "")
	flag.BoolVar(&o.EnableOwnerRef, "enable-certificate-owner-ref", false, "a Secret goes with its Certificate")
	flag.DurationVar(&o.CertificateRequestMinimumBackoffDuration, "certificate-request-minimum-backoff-duration", time.Hour, "")
	flag.DurationVar(&o.CertificateRequestMaximumBackoffDuration, "certificate-request-maximum-backoff-duration", 32*time.Hour, "")
	flag.BoolVar(&s.elect, "leader-elect", true, "work only with the Lease")
	flag.StringVar(&s.namespace, "leader-election-namespace", "kube-system", "of the Lease")
	flag.DurationVar(&s.lease, "leader-election-lease-duration", time.Minute, "")
	flag.DurationVar(&s.deadline, "leader-election-renew-deadline", 40*time.Second, "")
	flag.DurationVar(&s.retry, "leader-election-retry-period", 15*time.Second, "")
	flag.StringVar(&s.listen, "listen", "", "host:port: /healthz answers 200, /leading too once the controllers run")
	flag.BoolFunc("version", "say which cert-manager this is", func(string) error {
		fmt.Println(util.AppVersion)
		os.Exit(0)
		return nil
	})
	klog.InitFlags(nil)
	flag.Parse()
	o.DNS01CheckAuthoritative = !recursiveOnly
	return s
}

// What it returns is closed once the Lease is ours; a Lease that is lost ends the group.
func elect(ctx context.Context, group *errgroup.Group, factory *controller.ContextFactory, s *settings) (chan struct{}, error) {
	elected := make(chan struct{})
	if !s.elect {
		close(elected)
		return elected, nil
	}
	own, err := factory.Build("leader-election")
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	who := resourcelock.ResourceLockConfig{Identity: host + "-external-cert-manager-controller", EventRecorder: own.Recorder}
	lock, err := resourcelock.New(resourcelock.LeasesResourceLock, s.namespace, "cert-manager-controller",
		own.Client.CoreV1(), own.Client.CoordinationV1(), who)
	if err != nil {
		return nil, err
	}
	callbacks := leaderelection.LeaderCallbacks{
		OnStartedLeading: func(context.Context) { close(elected) },
		OnStoppedLeading: func() {},
	}
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: s.lease, RenewDeadline: s.deadline, RetryPeriod: s.retry,
		ReleaseOnCancel: true, Callbacks: callbacks,
	})
	if err != nil {
		return nil, err
	}
	group.Go(func() error {
		elector.Run(ctx)
		if ctx.Err() == nil {
			return errors.New("the Lease is lost")
		}
		return nil
	})
	return elected, nil
}

func start(ctx context.Context, group *errgroup.Group, factory *controller.ContextFactory, s *settings) error {
	base, err := factory.Build()
	if err != nil {
		return err
	}
	for name, construct := range controller.Known() {
		if slices.Contains(s.without, name) {
			continue
		}
		one, err := construct(factory)
		if err != nil {
			return fmt.Errorf("starting %s: %w", name, err)
		}
		group.Go(func() error { return one.Run(workers, ctx) })
	}
	base.SharedInformerFactory.Start(ctx.Done())
	base.KubeSharedInformerFactory.Start(ctx.Done())
	base.HTTP01ResourceMetadataInformersFactory.Start(ctx.Done())
	return nil
}

func serve(address string, leads *atomic.Bool) {
	http.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("/leading", func(answer http.ResponseWriter, _ *http.Request) {
		if !leads.Load() {
			answer.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	klog.Fatal(http.ListenAndServe(address, nil))
}

func run(ctx context.Context, s *settings) error {
	var leads atomic.Bool
	group, ctx := errgroup.WithContext(ctx)
	overdue := time.AfterFunc(startUp, func() { klog.Fatal("the API server does not answer") })
	factory, err := controller.NewContextFactory(ctx, s.options)
	if err != nil {
		return err
	}
	elected, err := elect(ctx, group, factory, s)
	if err != nil {
		return err
	}
	overdue.Stop()
	if s.listen != "" {
		go serve(s.listen, &leads)
	}
	select {
	case <-ctx.Done():
		return group.Wait()
	case <-elected:
	}
	if err := start(ctx, group, factory, s); err != nil {
		return err
	}
	leads.Store(true)
	return group.Wait()
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	s := parse()
	logf.InitLogs()
	if err := run(logf.NewContext(ctx, logf.Log, "controller"), s); err != nil {
		klog.Fatal(err)
	}
}

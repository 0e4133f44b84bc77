import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** A producer with kafka-clients, compiled with all its versions: only what version 2.1 and today's have in common is used. */
public final class ProducerDriver {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String TRUST_STORE_PASSWORD = "changeit";

    /** Job of test/clients/client.ts. */
    @JsonIgnoreProperties(ignoreUnknown = true)
    static final class Job {
        public String bootstrap;
        public String ca;
        public String user;
        public String password;
        public String[] topics;
        public String codec;
        public boolean idempotent;
        public int acks;
        public int records;
        public String run;
        public int timeoutMs;
    }

    /** Report of test/clients/client.ts. The client tells of deliveries in a thread of its own. */
    static final class Report {
        public int delivered;
        public int failed;
        public String error;
        private long lastDelivery = System.nanoTime();

        synchronized void add(Exception failure) {
            if (failure == null) {
                delivered++;
                lastDelivery = System.nanoTime();
                return;
            }
            failed++;
            if (error == null) error = failure.getClass().getSimpleName() + ": " + failure.getMessage();
        }

        synchronized boolean isStalled(int timeoutMs) {
            return System.nanoTime() - lastDelivery > timeoutMs * 1_000_000L;
        }
    }

    /** The fields in the order in which they are written. */
    static final class Value {
        public final String run;
        public final int n;
        public final String message;

        Value(String run, int n) {
            this.run = run;
            this.n = n;
            this.message = String.format(
                    "192.0.2.%d - - \"GET /api/v1/orders/%d?expand=items,customer HTTP/1.1\" 200 %d \"https://shop.example.com/orders\" "
                            + "\"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\" request_time=0.%03d",
                    n % 250, 100_000 + n, 500 + n % 1500, n % 1000);
        }
    }

    public static void main(String[] args) throws Exception {
        Job job = JSON.readValue(System.in, Job.class);
        Path trustStore = makeTrustStore(Paths.get(job.ca));
        Report report = new Report();
        try {
            produce(job, trustStore, report);
        } finally {
            Files.delete(trustStore);
        }
        System.out.println(JSON.writeValueAsString(report));
    }

    private static void produce(Job job, Path trustStore, Report report) throws IOException {
        KafkaProducer<byte[], byte[]> opened;
        try {
            opened = new KafkaProducer<>(configure(job, trustStore));
        } catch (KafkaException failure) {
            for (int n = 0; n < job.records; n++) report.add(failure);
            return;
        }
        // Closing waits for what is under way; nothing is for longer than the time-out.
        try (KafkaProducer<byte[], byte[]> producer = opened) {
            for (int n = 0; n < job.records; n++) {
                // Without metadata each record would block for the whole time-out, one after the other.
                if (report.isStalled(job.timeoutMs)) {
                    report.add(new IllegalStateException("the driver gave up: nothing was delivered for too long"));
                    continue;
                }
                byte[] value = JSON.writeValueAsBytes(new Value(job.run, n));
                try {
                    producer.send(new ProducerRecord<>(job.topics[n % job.topics.length], value), (metadata, failure) -> report.add(failure));
                } catch (KafkaException failure) {
                    report.add(failure);
                }
            }
        }
    }

    private static Map<String, Object> configure(Job job, Path trustStore) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", job.bootstrap);
        settings.put("security.protocol", "SASL_SSL");
        settings.put("ssl.truststore.type", "PKCS12");
        settings.put("ssl.truststore.location", trustStore.toString());
        settings.put("ssl.truststore.password", TRUST_STORE_PASSWORD);
        settings.put("sasl.mechanism", "PLAIN");
        settings.put("sasl.jaas.config", String.format(
                "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"%s\" password=\"%s\";",
                job.user, job.password));
        settings.put("key.serializer", ByteArraySerializer.class);
        settings.put("value.serializer", ByteArraySerializer.class);
        settings.put("acks", job.acks == -1 ? "all" : Integer.toString(job.acks));
        settings.put("compression.type", job.codec);
        settings.put("enable.idempotence", job.idempotent);
        settings.put("max.block.ms", job.timeoutMs);
        settings.put("delivery.timeout.ms", job.timeoutMs);
        // Smaller than the former, as the client demands; its default is 30 seconds.
        settings.put("request.timeout.ms", Math.min(30_000, job.timeoutMs / 2));
        return settings;
    }

    /** The certificate as a trust store: versions before 2.7 cannot read PEM. */
    private static Path makeTrustStore(Path ca) throws IOException, GeneralSecurityException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        byte[] pem = Files.readAllBytes(ca);
        store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(pem)));
        Path file = Files.createTempFile("truststore", ".p12");
        try (OutputStream output = Files.newOutputStream(file)) {
            store.store(output, TRUST_STORE_PASSWORD.toCharArray());
        }
        return file;
    }
}

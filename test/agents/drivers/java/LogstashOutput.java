import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * The output kafka of Logstash. The first line of standard input is the Job of test/agents/drivers/logstash.ts, each other one is an
 * event as the codec has encoded it. They are taken in batches as by a worker of the pipeline, and a batch is sent as the plugin does
 * it: all its records, then a wait for each; those that can be sent again are, until none is left.
 */
public final class LogstashOutput {
    private static final int BATCH_SIZE = 125;
    private static final int BATCH_DELAY_MS = 50;
    /** Not an event: there are no more. */
    private static final String END = new String("end");

    public static final class Job {
        public String topic;
        public Map<String, String> properties;
        public long retryBackoffMs;
    }

    /** What is said of one event after the other is printed once. */
    private static String said = "";

    private final Job job;
    private final KafkaProducer<String, String> producer;
    private final BlockingQueue<String> events = new LinkedBlockingQueue<>();

    private LogstashOutput(Job job) {
        this.job = job;
        producer = new KafkaProducer<>(new HashMap<String, Object>(job.properties), new StringSerializer(), new StringSerializer());
    }

    public static void main(String[] args) throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        LogstashOutput output = new LogstashOutput(new ObjectMapper().readValue(input.readLine(), Job.class));
        Thread reader = new Thread(() -> output.read(input));
        reader.setDaemon(true);
        reader.start();
        output.work();
        output.producer.close();
    }

    private void read(BufferedReader input) {
        try {
            for (String line = input.readLine(); line != null; line = input.readLine()) events.add(line);
        } catch (IOException failure) {
            say("input failed", failure);
        }
        events.add(END);
    }

    private void work() throws InterruptedException {
        for (boolean isOpen = true; isOpen; ) {
            List<String> batch = new ArrayList<>();
            for (String event = events.take(); event != null; event = events.poll(BATCH_DELAY_MS, TimeUnit.MILLISECONDS)) {
                isOpen = event != END;
                if (isOpen) batch.add(event);
                if (!isOpen || batch.size() == BATCH_SIZE) break;
            }
            send(batch);
        }
    }

    private void send(List<String> batch) throws InterruptedException {
        while (!batch.isEmpty()) {
            List<String> failures = new ArrayList<>();
            List<Future<?>> futures = new ArrayList<>();
            for (String event : batch) {
                Future<?> future = null;
                try {
                    future = producer.send(new ProducerRecord<>(job.topic, event));
                } catch (KafkaException failure) {
                    handle(failure, event, failures);
                }
                futures.add(future);
            }
            for (int i = 0; i < batch.size(); i++) {
                if (futures.get(i) == null) continue;
                try {
                    futures.get(i).get();
                } catch (ExecutionException failure) {
                    handle(failure.getCause(), batch.get(i), failures);
                }
            }
            if (!failures.isEmpty()) Thread.sleep(job.retryBackoffMs);
            batch = failures;
        }
    }

    private static void handle(Throwable failure, String event, List<String> failures) {
        if (failure instanceof RetriableException || failure instanceof InterruptException) {
            failures.add(event);
            say("producer send failed, will retry sending", failure);
        } else if (failure instanceof KafkaException) {
            say("producer send failed, dropping record", failure);
        }
    }

    private static synchronized void say(String message, Throwable failure) {
        String words = String.format("%s {:exception=>%s, :message=>\"%s\"}", message, failure.getClass().getName(), failure.getMessage());
        if (!words.equals(said)) System.out.println(words);
        said = words;
    }
}

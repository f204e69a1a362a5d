package org.edgeswap.android

import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtException
import ai.onnxruntime.OrtSession
import ai.onnxruntime.providers.NNAPIFlags
import android.os.Build
import android.system.Os
import java.io.Closeable
import java.io.File
import java.nio.FloatBuffer
import java.util.EnumSet
import org.edgeswap.core.FormException
import org.edgeswap.core.Runner
import org.edgeswap.core.Spec
import org.edgeswap.core.Variant

/** ONNX Runtime with its telemetry off: official builds report usage unless told before they load. */
object Ort {
    val environment: OrtEnvironment by lazy {
        Os.setenv("ORT_DISABLE_TELEMETRY", "1", true)
        OrtEnvironment.getEnvironment().also { it.setTelemetry(false) }
    }
}

/** One open model. */
class OrtRunner private constructor(private val session: OrtSession, val provider: String) : Runner, Closeable {
    override fun run(input: FloatArray, shape: LongArray): Map<String, FloatArray> =
        OnnxTensor.createTensor(Ort.environment, FloatBuffer.wrap(input), shape).use { tensor ->
            session.run(mapOf(session.inputNames.first() to tensor)).use { results ->
                results.associate { (name, value) ->
                    val buffer = (value as? OnnxTensor)?.floatBuffer ?: throw FormException("$provider: output $name holds no 32-bit floats")
                    name to FloatArray(buffer.remaining()).also { buffer.get(it) }
                }
            }
        }

    override fun close() = session.close()

    companion object {
        /** Opens a model in one provider, or says in one line why it does not run there. */
        fun open(model: File, variantName: String, provider: String, threads: Int): OrtRunner {
            val options = OrtSession.SessionOptions()
            try {
                options.setIntraOpNumThreads(threads)
                options.addConfigEntry("session.intra_op.allow_spinning", "0") // heat
                val wanted = Spec.PROVIDER_OPTIONS["$variantName/$provider"].orEmpty()
                when (provider) {
                    "NnapiExecutionProvider" -> options.addNnapi(flags(wanted))
                    "XnnpackExecutionProvider" -> options.addXnnpack(wanted)
                    "CPUExecutionProvider" -> {}
                    else -> throw FormException("$provider is not in this app")
                }
                // Not half here and half there: a model that NNAPI splits runs elsewhere (see Choice).
                if (provider == "NnapiExecutionProvider") options.addConfigEntry("session.disable_cpu_ep_fallback", "1")
                return OrtRunner(Ort.environment.createSession(model.path, options), provider)
            } catch (error: OrtException) {
                throw FormException("$provider: ${error.message?.lineSequence()?.first()}")
            } finally {
                options.close()
            }
        }

        private fun flags(wanted: Map<String, String>): EnumSet<NNAPIFlags> =
            EnumSet.noneOf(NNAPIFlags::class.java).apply {
                NNAPIFlags.entries.filterTo(this) { wanted[it.name] == "1" }
                if (Build.VERSION.SDK_INT < 29) remove(NNAPIFlags.CPU_DISABLED) // from 29 on
            }
    }
}

/**
 * Which way runs: the bundle's order, by API level (checked in core) and partition count. NNAPI is
 * taken only where it takes the WHOLE model, which is one partition: with the way back to the CPU
 * shut, a session that would need two does not open, and the next way (XNNPACK, CPU) is tried.
 */
object Choice {
    fun open(variants: List<Variant>, model: (Variant) -> File): Pair<Variant, OrtRunner> {
        val reasons = ArrayList<String>()
        for (variant in variants.filter { it.engine == "ort" }) {
            val threads = if (variant.threads > 0) variant.threads else DEFAULT_THREADS
            try {
                return variant to OrtRunner.open(model(variant), variant.name, variant.providers.first(), threads)
            } catch (error: FormException) {
                reasons.add("${variant.name}: ${error.message}")
            }
        }
        throw FormException("nothing in the bundle runs here: ${reasons.joinToString("; ")}")
    }

    internal const val DEFAULT_THREADS = 4
}

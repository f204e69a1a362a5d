package org.edgeswap.core

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** `Finding FOLDER WIDTH HEIGHT CARD...`: faces of FOLDER/frame, by outputs that lie there as float32. */
object Finding {
    @JvmStatic
    fun main(args: Array<String>) {
        val folder = File(args[0])
        val cards = args.drop(3).map { Card.parse(File(it).readBytes()) }
        cards.forEach { println("card ${it.name} ${it.kind} ${it.size} ${it.mask} ${it.composited} ${it.looks}") }
        fun bytes(values: FloatArray) = ByteBuffer.allocate(4 * values.size).order(ByteOrder.LITTLE_ENDIAN).apply { asFloatBuffer().put(values) }.array()
        val runner = Runner { input, shape ->
            File(folder, "input").writeBytes(bytes(input))
            println("shape ${shape.joinToString(" ")}")
            folder.listFiles()!!.filter { '_' in it.name }.associate { file ->
                val values = ByteBuffer.wrap(file.readBytes()).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
                file.name to FloatArray(values.remaining()).also { values.get(it) }
            }
        }
        val frame = Frame(args[1].toInt(), args[2].toInt(), File(folder, "frame").readBytes())
        for (face in Detection(cards.single { it.kind == "detector" }, runner, null, null).find(frame)) {
            println("face ${face.x} ${face.y} ${face.width} ${face.height} ${face.score} ${face.landmarks.joinToString(" ")}")
        }
    }
}
